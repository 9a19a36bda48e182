import { Injectable } from '@nestjs/common';
import type { AllowedDevice, ConnectorDocument, DeviceId, Fingerprint } from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { isNameOfSite } from '../admission/admission-rules.js';
import { DeviceLists } from '../devices/device-lists.js';
import { Devices } from '../devices/devices.js';
import { RegistrySite } from '../site/registry-site.js';
import { type AcceptedIssuer, isInDate } from './accepted-issuer.js';
import { isAllowedAddress } from './allowed-address.js';
import { NewcomerLimits } from './newcomer-limits.js';
import { type HookQuestion, ProvisioningHook } from './provisioning-hook.js';
import { Refusal } from './refusal.js';

/** A device whose name is known, and which may come for the first time. */
export interface Newcomer {
  readonly connector: ConnectorDocument;
  readonly identity: DeviceId;
  readonly remoteAddress: string;
  /** Absent for a device with a secret. */
  readonly issuer?: AcceptedIssuer;
  readonly fingerprint?: Fingerprint;
  readonly question: HookQuestion;
}

/** The rules for devices that come for the first time. */
@Injectable()
export class Newcomers {
  constructor(
    private readonly devices: Devices,
    private readonly lists: DeviceLists,
    private readonly limits: NewcomerLimits,
    private readonly hook: ProvisioningHook,
    private readonly site: RegistrySite,
    private readonly clock: Clock,
  ) {}

  /** The rules for one of them. */
  check(newcomer: Newcomer): NewcomerCheck {
    const { devices, lists, limits, hook, site } = this;
    return new NewcomerCheck(newcomer, { devices, lists, limits, hook, site, now: this.clock.now() });
  }
}

interface NewcomerCheckParts {
  readonly devices: Devices;
  readonly lists: DeviceLists;
  readonly limits: NewcomerLimits;
  readonly hook: ProvisioningHook;
  readonly site: RegistrySite;
  readonly now: Date;
}

/** Judges one device that comes for the first time. Room and consent are asked for once, however often it is tried. */
export class NewcomerCheck {
  private room: Promise<void> | undefined;
  private consent: Promise<void> | undefined;

  constructor(
    private readonly newcomer: Newcomer,
    private readonly parts: NewcomerCheckParts,
  ) {}

  /** Runs the registration. With a quota, those of one connector run one after the other. */
  async inTurn<Result>(register: () => Promise<Result>): Promise<Result> {
    const { connector, identity } = this.newcomer;
    const { limits, devices } = this.parts;
    if (!limits.hasQuota(connector) || (await devices.find(identity)) !== undefined) return register();
    return limits.inTurn(connector, register);
  }

  /**
   * The device was not deleted, takes the name of no service, and comes by itself or because an administrator expects
   * it. It shows the certificate that the allow list names, if it names one, and the kind of credential that the
   * connector wants of new devices; a known one keeps its own.
   *
   * @returns the entry of the allow list, which the registration uses up
   * @throws Refusal `device-deleted`, `certificate-not-pinned`, `name-conflict`, `device-expired`, `not-expected`,
   *   `credential-mismatch`
   */
  async requireExpected(): Promise<AllowedDevice | undefined> {
    const { connector, identity: deviceId, fingerprint, issuer } = this.newcomer;
    const { lists, site, now } = this.parts;
    await site.requireKnown();
    if ((await lists.deletedNameOf({ deviceId, fingerprint })) !== undefined) throw new Refusal('device-deleted');
    const allowance = await lists.allowanceOf(deviceId, now);
    const pinned = allowance?.fingerprint;
    if (pinned !== undefined && pinned !== fingerprint) throw new Refusal('certificate-not-pinned');
    // A certificate of this site was issued for a token of an administrator: the device is expected.
    if (issuer?.kind === 'site') return allowance;
    if (isNameOfSite(deviceId)) throw new Refusal('name-conflict');
    const { provisioning } = connector.settings;
    const isExpected = allowance !== undefined && (allowance.connector ?? connector.name) === connector.name;
    if (!isExpected && !provisioning.self) throw new Refusal(await this.reasonNotExpected(allowance));
    const shown = issuer === undefined ? 'secret' : 'certificate';
    if ((provisioning.auth === 'certificate') !== (shown === 'certificate')) throw new Refusal('credential-mismatch');
    return isExpected ? allowance : undefined;
  }

  /** @throws Refusal `issuer-stopped`, `issuer-expired`: the Client CA brings no new devices */
  requireIssuer(): void {
    const { issuer } = this.newcomer;
    if (issuer?.kind !== 'client-ca') return;
    if (!issuer.clientCa.provision) throw new Refusal('issuer-stopped');
    if (!isInDate(issuer.clientCa, this.parts.now)) throw new Refusal('issuer-expired');
  }

  /** @throws Refusal `address-not-allowed` */
  requireAddress(): void {
    const { connector, remoteAddress, issuer } = this.newcomer;
    if (issuer?.kind === 'site') return;
    const { allowedNetworks } = connector.settings.provisioning;
    if (!isAllowedAddress(remoteAddress, allowedNetworks)) throw new Refusal('address-not-allowed');
  }

  /** @throws Refusal `quota-reached`, `too-many-new-devices` */
  requireRoom(): Promise<void> {
    const { connector, issuer } = this.newcomer;
    this.room ??= issuer?.kind === 'site' ? Promise.resolve() : this.parts.limits.requireRoom(connector, issuer);
    return this.room;
  }

  /** @throws Refusal `hook-refused`, `hook-unavailable` */
  requireConsent(): Promise<void> {
    const { connector, issuer, question } = this.newcomer;
    const url = issuer?.kind === 'site' ? undefined : connector.settings.hook?.url;
    this.consent ??= url === undefined ? Promise.resolve() : this.parts.hook.requireConsent(url, question);
    return this.consent;
  }

  private async reasonNotExpected(allowance: AllowedDevice | undefined): Promise<'device-expired' | 'not-expected'> {
    if (allowance !== undefined) return 'not-expected';
    const entry = await this.parts.lists.allowed.find(this.newcomer.identity);
    return entry === undefined ? 'not-expected' : 'device-expired';
  }
}
