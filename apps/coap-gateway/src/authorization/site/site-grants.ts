import { randomUUID } from 'node:crypto';
import { GrantRefused } from '@sallyport/oidc';
import { canonicalUuid, type OcfUuid, Problem } from '@sallyport/protocol';
import type { Entry, Store } from '@sallyport/store';
import type { DeviceUser, SiteCodes } from './site-codes.js';
import { digestOf, type GrantRecord, grantPrefix, grantRecord, newSecret } from './site-records.js';

const mostTries = 10;
const mostUsed = 8;

/** A grant, with the refresh token that the device gets now. */
export interface Granted extends DeviceUser {
  readonly grantId: string;
  readonly refreshToken: string;
}

/**
 * Who may get new tokens. Refresh tokens rotate: each is good until the one that replaced it is used, because a device may
 * miss an answer. A token that was replaced before has been stolen, so its grant ends (RFC 9700 §4.14.2).
 */
export class SiteGrants {
  /** @param onStolen hears of a device whose tokens ended, because an old one came back */
  constructor(
    private readonly store: Store,
    private readonly onStolen: (device: OcfUuid) => void,
  ) {}

  /** Uses a code. A grant that the device had ends. @throws GrantRefused: there is no such code */
  async begin(codes: SiteCodes, { code, now }: { readonly code: string; readonly now: Date }): Promise<Granted> {
    const found = await codes.find(code, now);
    if (found === undefined) throw new GrantRefused('invalid_grant');
    const { key, revision } = found.entry;
    const { device, owner } = found.record;
    const [id, refreshToken] = [randomUUID(), refreshTokenFor(device)];
    const record: GrantRecord = { id, owner, current: digestOf(refreshToken), used: [] };
    const operations = [{ delete: key }, { put: grantPrefix + device, value: record }];
    const { committed } = await this.store.transaction([{ key, revision }], operations);
    if (!committed) throw new GrantRefused('invalid_grant');
    return { device, owner, grantId: id, refreshToken };
  }

  /** @throws GrantRefused: nobody has this refresh token, or not any more */
  async renew(refreshToken: string): Promise<Granted> {
    const device = deviceOfRefreshToken(refreshToken);
    if (device === undefined) throw new GrantRefused('invalid_grant');
    for (let tries = 0; tries < mostTries; tries += 1) {
      const { entry, record } = await this.read(device);
      if (entry === undefined || record === undefined) throw new GrantRefused('invalid_grant');
      const { key, revision } = entry;
      const next = refreshTokenFor(device);
      const rotated = rotate(record, { shown: digestOf(refreshToken), next: digestOf(next) });
      if (rotated === 'unknown') throw new GrantRefused('invalid_grant');
      const operation = rotated === 'stolen' ? { delete: key } : { put: key, value: rotated };
      const { committed } = await this.store.transaction([{ key, revision }], [operation]);
      if (!committed) continue;
      if (rotated === 'stolen') {
        this.onStolen(device);
        throw new GrantRefused('invalid_grant');
      }
      return { device, owner: rotated.owner, grantId: rotated.id, refreshToken: next };
    }
    throw new Problem('unavailable', 'The tokens of a device are being changed by another gateway.');
  }

  /** Whether tokens of this grant still count. */
  async isLive({ device, owner, grantId }: DeviceUser & { readonly grantId: string }): Promise<boolean> {
    const { record } = await this.read(device);
    return record !== undefined && record.id === grantId && record.owner === owner;
  }

  /** Whose tokens a device has. */
  async ownerOf(device: OcfUuid): Promise<string | undefined> {
    return (await this.read(device)).record?.owner;
  }

  /** Ends the grant of a device, if it is one of this owner. */
  async end(device: OcfUuid, owner: string): Promise<void> {
    const { entry, record } = await this.read(device);
    if (entry === undefined || record?.owner !== owner) return;
    const { key, revision } = entry;
    // If somebody else was faster, it is a grant of a newer code.
    await this.store.transaction([{ key, revision }], [{ delete: key }]);
  }

  private async read(device: OcfUuid): Promise<{ readonly entry?: Entry; readonly record?: GrantRecord }> {
    const entry = await this.store.get(grantPrefix + device);
    const record = grantRecord.safeParse(entry?.value).data;
    return { ...(entry === undefined ? {} : { entry }), ...(record === undefined ? {} : { record }) };
  }
}

/** Whether a text has the form of the refresh tokens of a site. */
export function isRefreshToken(text: string): boolean {
  const [device = '', secret = '', ...more] = text.split('.');
  return canonicalUuid(device) !== undefined && /^[\w-]{20}$/.test(secret) && more.length === 0;
}

/** The device that a refresh token of a site names; undefined for every other text. */
export function deviceOfRefreshToken(text: string): OcfUuid | undefined {
  return isRefreshToken(text) ? canonicalUuid(text.split('.')[0] ?? '') : undefined;
}

/** It names its device, so that its grant can be found. */
function refreshTokenFor(device: OcfUuid): string {
  return `${device}.${newSecret()}`;
}

function rotate(
  record: GrantRecord,
  { shown, next }: { readonly shown: string; readonly next: string },
): GrantRecord | 'stolen' | 'unknown' {
  const { current, previous, used } = record;
  if (shown !== current && shown !== previous) return used.includes(shown) ? 'stolen' : 'unknown';
  const replaced = shown === current ? previous : current;
  const olderOnes = replaced === undefined ? used : [...used, replaced].slice(-mostUsed);
  return { ...record, current: next, previous: shown, used: olderOnes };
}
