import { estPath } from '@sallyport/protocol';

/** One resource that clients can discover, with the attributes of its link (RFC 6690, RFC 9148 §4.1). */
interface Link {
  readonly href: string;
  readonly rt: string;
  readonly title: string;
  /** Content formats. */
  readonly ct?: string;
}

const links: readonly Link[] = [
  { href: `${estPath}/crts`, rt: 'ace.est.crts', ct: '281 287', title: 'CA certificates' },
  { href: `${estPath}/sen`, rt: 'ace.est.sen', ct: '281 287', title: 'enrolment' },
  { href: `${estPath}/sren`, rt: 'ace.est.sren', ct: '281 287', title: 'renewal' },
  { href: `${estPath}/att`, rt: 'ace.est.att', ct: '285', title: 'what a request may ask for' },
  // RFC 9200 §5.10.1 names the resource; what is sent there is a login of ours.
  { href: '/authz-info', rt: 'ace.ai', title: 'device id and one-time token' },
];

/**
 * The answer to `GET /.well-known/core`: all links, or those that a query asks for (RFC 6690 §4.1), such as
 * `rt=ace.est*`. A query with another attribute finds nothing.
 */
export function discovered(queries: readonly string[]): string {
  const found = links.filter((link) => queries.every((query) => isMatch(link, query)));
  return found.map(linkText).join(',');
}

function isMatch(link: Link, query: string): boolean {
  const [attribute = '', ...rest] = query.split('=');
  const value = attributeOf(link, attribute);
  const wanted = rest.join('=');
  if (value === undefined) return false;
  return [value, ...value.split(' ')].some((text) =>
    wanted.endsWith('*') ? text.startsWith(wanted.slice(0, -1)) : text === wanted,
  );
}

function attributeOf({ href, rt, ct, title }: Link, attribute: string): string | undefined {
  switch (attribute) {
    case 'href':
      return href;
    case 'rt':
      return rt;
    case 'ct':
      return ct;
    case 'title':
      return title;
    default:
      return undefined;
  }
}

function linkText({ href, rt, ct, title }: Link): string {
  const formats = ct === undefined ? '' : `;ct="${ct}"`;
  return `<${href}>;rt="${rt}"${formats};title="${title}"`;
}
