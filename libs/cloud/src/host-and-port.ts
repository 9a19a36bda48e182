import type { HostAndPort } from './cloud-connection.js';

/** Splits `host` or `host:port`, which a setting has already checked. */
export function hostAndPortIn(text: string, defaultPort: number): HostAndPort {
  const [host = '', port] = text.split(':');
  return { host, port: port === undefined ? defaultPort : Number(port) };
}

/** `host:port` for people; an IPv6 address in brackets. */
export function placeText({ host, port }: HostAndPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
