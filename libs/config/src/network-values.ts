import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';
import { canonicalUuid, isConnectableHost, readHost } from '@sallyport/protocol';
import { z } from 'zod';
import { absolutePath } from './text-values.js';
import { integerFrom, listOf, textParsedBy, textThat } from './value-type.js';

/** A DNS name (RFC 1123 §2.1, underscores tolerated) or an IPv4 address; no port, scheme or path. */
function isHostName(text: string): boolean {
  return isIP(text) !== 6 && isConnectableHost(text);
}

/** A TCP port; 0 lets the operating system choose a free one. */
export const port = integerFrom('u16', 'a port number from 0 to 65535', { least: 0, most: 65_535 });

/** A TCP port others have to know in advance, so never 0. */
export const nonZeroPort = integerFrom('NonZeroU16', 'a port number from 1 to 65535', { least: 1, most: 65_535 });

/** An IPv4 or IPv6 address. */
export const ipAddress = textThat('IpAddr', 'an IPv4 or IPv6 address, not a host name', (text) => isIP(text) !== 0);

/** A host name or IP address to connect to. */
export const host = textThat('Host', 'a host name or an IP address, without scheme or port', isConnectableHost);

/** The host of a cloud tenant. */
export const connectUrl = textThat('ConnectUrl', 'a bare host name, without scheme, port or path', isHostName);

/** The UUID of a site, as the cloud of OCF devices; programs read it in lower case. */
export const ocfHubId = textParsedBy('Uuid', 'a UUID such as 3f4a9c1e-5b7d-4e2a-8c6f-0d1e2f3a4b5c', canonicalUuid);

/** A host, and the port when it is not the usual one. */
export const hostAndPort = textThat('HostPort', 'a host name, with or without a port (host:443)', (text) => {
  const [, name = '', digits = '1'] = /^([^:]*)(?::(\d{1,5}))?$/.exec(text) ?? [];
  return isConnectableHost(name) && Number(digits) > 0 && Number(digits) <= 65_535;
});

/** An HTTP proxy. Its user and password are in other settings, so this value can be printed. */
export const proxyUrl = textThat('ProxyUrl', 'an address like proxy.example:3128, without credentials', (text) => {
  const url = urlIn(/^https?:/.test(text) ? text : `http://${text}`, ['http:', 'https:']);
  return url !== undefined && isOrigin(url);
});

/** Names and addresses of hosts. */
export const hostList = listOf('HostList', 'host names and IP addresses, separated by commas', host.schema);

/** Names and addresses for server certificates; programs read each in its one spelling. */
export const certificateHosts = listOf(
  'HostList',
  'host names and IP addresses, separated by commas',
  z.string({ error: 'must be host names and IP addresses, separated by commas' }).transform((text, context) => {
    const { host, fault } = readHost(text);
    if (host !== undefined) return host.value;
    context.addIssue({
      code: 'custom',
      message: `must have only names a certificate can have, and "${text}" ${fault}`,
    });
    return z.NEVER;
  }),
);

function urlIn(text: string, schemes: readonly string[]): URL | undefined {
  const url = /[\s\p{Cc}]/u.test(text) ? null : URL.parse(text);
  return url !== null && url.hostname !== '' && schemes.includes(url.protocol) ? url : undefined;
}

function isOrigin(url: URL): boolean {
  return `${url.username}${url.password}${url.pathname}${url.search}${url.hash}` === '/';
}

/** Address of an HTTP service; an origin only, so that paths can be appended to it. */
export const httpUrl = textParsedBy(
  'HttpUrl',
  'an address like https://host:8443, without path or credentials',
  (text) => {
    const url = urlIn(text, ['http:', 'https:']);
    return url !== undefined && isOrigin(url) ? url.origin : undefined;
  },
);

/** Addresses of HTTP services. */
export const httpUrlList = listOf(
  'HttpUrlList',
  'addresses like https://host:8443, separated by commas',
  httpUrl.schema,
);

/** OpenID Connect Discovery 1.0 §3: an https address without query and fragment. A provider on this machine may do without TLS. */
export const issuerUrl = textThat(
  'IssuerUrl',
  'an address like https://login.example/realms/plant, without query and credentials',
  (text) => {
    const url = urlIn(text, ['http:', 'https:']);
    if (url === undefined || `${url.username}${url.password}${url.search}${url.hash}` !== '') return false;
    return url.protocol === 'https:' || ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  },
);

// unix(7): the path of a socket has at most 108 bytes, the last of which is 0.
const mostSocketPathBytes = 107;

function isSocketPath(path: string): boolean {
  return isAbsolute(path) && !/\p{Cc}/u.test(path) && Buffer.byteLength(path) <= mostSocketPathBytes;
}

/** Path of a Unix socket. Text typed by a person is resolved against the working directory. */
export const socketPath = {
  ...textThat('SocketPath', `an absolute path of at most ${mostSocketPathBytes} bytes`, isSocketPath),
  fromText: absolutePath.fromText,
} as const;

/** Where an MQTT broker is. There is no place for a password in it, so this value can be printed. */
export const brokerUrl = textParsedBy(
  'BrokerUrl',
  'unix:/path/of/the/socket, mqtt://host:1883 or mqtts://host:8883',
  (text) => {
    if (text.startsWith('unix:')) return isSocketPath(text.slice('unix:'.length)) ? text : undefined;
    const url = urlIn(text, ['mqtt:', 'mqtts:']);
    if (url === undefined || !isConnectableHost(url.hostname.replace(/^\[|\]$/g, '')) || url.port === '0')
      return undefined;
    const rest = `${url.username}${url.password}${url.search}${url.hash}`;
    return rest === '' && ['', '/'].includes(url.pathname) ? `${url.protocol}//${url.host}` : undefined;
  },
);

/** Where a Redis server is. The password is in a file, so this value can be printed. */
export const redisUrl = textThat('RedisUrl', 'a redis:// or rediss:// address without password', (text) => {
  return urlIn(text, ['redis:', 'rediss:'])?.password === '';
});
