import { Problem } from '@sallyport/protocol';

/** What a handler needs of the HTTP reply. */
export interface Reply {
  header(name: string, value: string): unknown;
}

/** The header of a request that must have one. @throws Problem `precondition-failed` */
export function requireTag(ifMatch: string | undefined): string {
  if (ifMatch !== undefined) return ifMatch;
  throw new Problem(
    'precondition-failed',
    'The header If-Match is missing. It names the version you have seen: the "etag" of the answer that showed it.',
  );
}
