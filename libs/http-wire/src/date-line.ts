let second = Number.NaN;
let line = '';

/** The field `Date` of this second (RFC 9110 §6.6.1). Its text costs more than the rest of a small head. */
export function dateLine(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) {
    second = now;
    line = `Date: ${new Date(now * 1000).toUTCString()}\r\n`;
  }
  return line;
}
