import type { HostAndPort } from './cloud-connection.js';

/** Splits `host` or `host:port`, which a setting has already checked. */
export function hostAndPortIn(text: string, defaultPort: number): HostAndPort {
  const [host = '', port] = text.split(':');
  return { host, port: port === undefined ? defaultPort : Number(port) };
}

/** `host:port` for people; an IPv6 address in brackets. */
export function placeText({ host, port }: HostAndPort): string {
  return `${inUrl(host)}:${port}`;
}

/** Value of the field Host of a request to a REST API. RFC 9110 §7.2: without the port when it is that of https. */
export function hostFieldOf(place: HostAndPort): string {
  return place.port === 443 ? inUrl(place.host) : placeText(place);
}

/** RFC 3986 §3.2.2. */
function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
