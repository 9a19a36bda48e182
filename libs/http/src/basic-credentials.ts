/** What a client sent as HTTP Basic credentials (RFC 7617). */
export interface BasicCredentials {
  readonly username: string;
  readonly password: string;
}

// The user is a device id and the password is a token, or about as long as one. Both are shorter than this.
const longestHeader = 1024;

/** Reads an Authorization header; undefined when there are no Basic credentials in it. */
export function basicCredentials(header: string | undefined): BasicCredentials | undefined {
  if (header === undefined || header.length > longestHeader) return undefined;
  const encoded = /^basic +([A-Za-z0-9+/=]+) *$/i.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  return loginOf(Buffer.from(encoded, 'base64').toString('utf8'));
}

/** Reads `user:password`; undefined when there is no colon. */
export function loginOf(text: string): BasicCredentials | undefined {
  // RFC 7617 §2: the user-id has no colon, the password may. Here it is the other way round, so split at the last
  // colon.
  const separator = text.lastIndexOf(':');
  if (separator < 0) return undefined;
  return { username: text.slice(0, separator), password: text.slice(separator + 1) };
}
