import { generateKeyPairSync, sign, verify } from 'node:crypto';

export interface TokenOptions {
  /** Host name of the tenant: `iss` and `aud`. */
  readonly host: string;
  readonly tenant: string;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  readonly lifetimeSeconds: number;
}

/** Makes and checks the tokens of devices: JWTs signed with ES256 (RFC 7519, RFC 7518 §3.4). */
export class DeviceTokens {
  /** Every token that was given out, oldest first. */
  readonly issued: string[] = [];
  /** Of the tokens that are made from now on. */
  lifetimeSeconds: number;
  private readonly keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  private readonly revoked = new Set<string>();

  constructor(private readonly options: TokenOptions) {
    this.lifetimeSeconds = options.lifetimeSeconds;
  }

  /** A new token of this device. */
  issue(device: string): string {
    const { host, tenant, nowMs } = this.options;
    const now = Math.floor(nowMs() / 1000);
    const header = { alg: 'ES256', typ: 'JWT' };
    const claims = { iss: host, aud: host, sub: `device_${device}`, ten: tenant, jti: String(this.issued.length) };
    const times = { iat: now, nbf: now, exp: now + this.lifetimeSeconds };
    const signed = [header, { ...claims, ...times }].map(encode).join('.');
    const signature = sign('sha256', Buffer.from(signed), { key: this.keys.privateKey, dsaEncoding: 'ieee-p1363' });
    const token = `${signed}.${signature.toString('base64url')}`;
    this.issued.push(token);
    return token;
  }

  /** All tokens given out so far are refused from now on. */
  revokeAll(): void {
    for (const token of this.issued) this.revoked.add(token);
  }

  /** The device of a token that is ours, in date and not revoked. */
  deviceOf(token: string): string | undefined {
    const [header = '', claims = '', signature = ''] = token.split('.');
    const key = { key: this.keys.publicKey, dsaEncoding: 'ieee-p1363' } as const;
    const isOurs = verify('sha256', Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, 'base64url'));
    if (!isOurs || this.revoked.has(token)) return undefined;
    const { sub, exp }: { sub: string; exp: number } = JSON.parse(Buffer.from(claims, 'base64url').toString());
    return exp * 1000 > this.options.nowMs() ? sub.slice('device_'.length) : undefined;
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
