import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { type Entrance, Entrances } from '@sallyport/entrance';
import { subscribeEvent } from '@sallyport/mqtt';
import { deviceChanged, entrances, Problem } from '@sallyport/protocol';
import { ConnectedContext } from '@sallyport/runtime';
import type { Hierarchy } from './authority/hierarchy.js';
import { publicHandler } from './crl/public-handler.js';
import { PublicListener } from './crl/public-listener.js';
import { estHandler } from './est/est-handler.js';
import { estSecuritySource } from './est/est-security-source.js';
import { OpenedSigner } from './opened-signer.js';
import { Upkeep } from './upkeep.js';

// A revocation is on the CRL, and a due rotation or renewal done, within this time.
const upkeepIntervalMs = 5_000;

/** Opens the doors of the signer when it starts, keeps it up while it runs, and closes it in order. */
@Injectable()
export class SignerLifecycle implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly upkeep: Upkeep;
  private readonly publicListener: PublicListener;
  private readonly publishing = new AbortController();
  private published: Promise<void> = Promise.resolve();
  private isDoorOpen = false;
  private doorFault: unknown;

  constructor(
    private readonly context: ConnectedContext,
    private readonly entrances: Entrances,
    private readonly opened: OpenedSigner,
  ) {
    const { hierarchy, rotation, crls, serverCertificate } = opened.signer;
    // In this order: the CA that has ended while the machine was off is replaced before it is asked to sign.
    const steps = [
      { name: 'hierarchy', run: () => hierarchy.load() },
      { name: 'rotation', run: () => rotation.advance() },
      { name: 'CRLs', run: () => crls.buildDue() },
      { name: 'server certificate', run: () => serverCertificate.renewIfDue() },
      { name: 'enrolment door', run: () => this.openEstIfPossible() },
    ];
    this.upkeep = new Upkeep(steps, context.log, upkeepIntervalMs, context.clock);
    const { settings } = context;
    context.readiness.add('signing keys', () => missingAuthority(hierarchy));
    context.readiness.add('site', async () => void (await hierarchy.load()));
    const noDoor = 'is not open: the signer has no certificate to show, and its log says why';
    context.readiness.add('enrolment', () => (this.isDoorOpen ? undefined : noDoor));
    context.readiness.add('CAs', () => endedAuthority(hierarchy, context.clock.now()));
    const address = {
      host: settings.require('pki.public.bind.address'),
      port: settings.require('pki.public.bind.port'),
    };
    this.publicListener = new PublicListener(address, publicHandler({ hierarchy, crls }));
  }

  async onApplicationBootstrap(): Promise<void> {
    const { mqtt, log } = this.context;
    const { outbox, revocation, hierarchy, crls } = this.opened.signer;
    hierarchy.onChange(() => {
      this.measureAuthorities();
      // A new CA has a CRL before anybody meets its first certificate.
      void crls.buildDue();
    });
    this.measureAuthorities();
    await subscribeEvent(mqtt, deviceChanged, (change) => revocation.follow(change), {
      onInvalid: (error) => log.warn({ error }, 'announcement of the device registry not understood'),
    });
    this.published = outbox.run((topic, payload) => mqtt.publish(topic, JSON.stringify(payload)), {
      signal: this.publishing.signal,
      onRetry: (error, attempt) => log.warn({ error, attempt }, 'event could not be published, will try again'),
    });
    const bound = await this.publicListener.listen();
    log.info({ ...bound, entrance: 'crl' }, 'entrance in force');
    // What fails here is told and tried again: CRLs and administration are there to mend it.
    await this.upkeep.runOnce();
    if (this.doorFault !== undefined) throw this.doorFault;
    this.upkeep.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.upkeep.stop();
    await this.publicListener.close();
    this.publishing.abort();
    await this.published;
  }

  /** Without a certificate to show there is no door; a door that cannot be opened otherwise ends the start. */
  private async openEstIfPossible(): Promise<void> {
    if (this.isDoorOpen || !this.opened.signer.serverCertificate.hasIdentity) return;
    try {
      this.followTrust(await this.openEst());
      this.isDoorOpen = true;
    } catch (error) {
      this.doorFault = error;
      throw error;
    }
  }

  private openEst(): Promise<Entrance> {
    const { context, opened } = this;
    const { hierarchy, serverCertificate } = opened.signer;
    return this.entrances.open({
      name: entrances.pki.name,
      source: estSecuritySource(context, hierarchy, serverCertificate),
      handler: { http: estHandler({ ...opened.signer, log: context.log }) },
    });
  }

  /** A new server certificate or a changed hierarchy is in force at the door at once, without a restart. */
  private followTrust(entrance: Entrance): void {
    const { log } = this.context;
    const { hierarchy, serverCertificate } = this.opened.signer;
    const reload = () =>
      entrance.apply().catch((error: unknown) => log.error({ error }, 'entrance could not take up a change of trust'));
    serverCertificate.onRenewed(reload);
    hierarchy.onChange(() => void reload());
  }

  private measureAuthorities(): void {
    const { hierarchy, metrics } = this.opened.signer;
    for (const { record, certificate } of hierarchy.all)
      metrics.authorityEnd.set({ ca: record.id }, certificate.notAfter.getTime() / 1000);
  }
}

/** Which CA is missing for the service to do its work; undefined when none is. */
function missingAuthority(hierarchy: Hierarchy): string | undefined {
  try {
    hierarchy.signing('device');
    hierarchy.signing('service');
    return undefined;
  } catch (error) {
    return error instanceof Problem ? error.message : String(error);
  }
}

/** Which CA has ended, and what to do; undefined when all that sign are in date. */
function endedAuthority(hierarchy: Hierarchy, now: Date): string | undefined {
  const signing = hierarchy.all.filter(({ record }) => record.purpose !== 'root' && record.state === 'active');
  const faults = signing.map((authority) => hierarchy.endFault(authority, now));
  return faults.find((fault) => fault !== undefined);
}
