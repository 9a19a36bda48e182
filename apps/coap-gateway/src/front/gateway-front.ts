import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common';
import { pause, SerialQueue } from '@sallyport/concurrency';
import { Entrances, FrontCertificate, FrontEntrance, fetchTrustBundle } from '@sallyport/entrance';
import { subscribeEvent } from '@sallyport/mqtt';
import { deviceId, type OcfUuid, ocfDeviceId, ocfUuidOf, trustBundleChanged } from '@sallyport/protocol';
import { ConnectedContext, FaultLog } from '@sallyport/runtime';
import type { Limits, StreamListenerHandler } from '@sallyport/tls';
import { type Certificate, certificatesFromPem } from '@sallyport/x509';
import { frontSecurity } from './front-security.js';
import { identityRule } from './identity-rule.js';

// How soon a certificate that is due is noticed.
const roundMs = 15_000;
// While something is missing, such as the answer of the signer.
const retryMs = 2_000;

const certificateKeys = { cert: 'coap.tls.cert_path', key: 'coap.tls.key_path', ca: 'coap.tls.ca_path' } as const;

// A fleet keeps its connections open, and comes back all at once. A device has one connection, and for a moment two.
const limits: Partial<Limits> = { connections: 20_000, connectionsPerIdentity: 8 };

/**
 * Where devices connect: the entrance of the gateway, kept in step with the CAs of this site and the settings. It starts
 * without signer, and opens when the signer has answered.
 */
@Injectable()
export class GatewayFront implements OnModuleInit, BeforeApplicationShutdown {
  private readonly certificate: FrontCertificate;
  private readonly faults: FaultLog;
  private entrance: FrontEntrance | undefined;
  // In order: an earlier answer of the signer must not replace a later one.
  private readonly rounds = new SerialQueue();
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private site: readonly Certificate[] = [];
  private ownName: OcfUuid | undefined;

  constructor(
    private readonly context: ConnectedContext,
    private readonly opener: Entrances,
  ) {
    this.faults = new FaultLog(context.log, context.clock, 'CAs and certificate not up to date, will try again');
    const hub = context.settings.get('coap.hub_id');
    this.certificate = new FrontCertificate(context, {
      service: 'coap-gateway',
      // Without the setting, the signer puts the id of the cloud in the place of the name of the service. With it, the
      // signer refuses when it knows another id.
      commonName: hub === undefined ? deviceId.parse(context.name) : ocfDeviceId(hub),
      isObsolete: ({ subject }) => hub !== undefined && subject.commonNames[0] !== ocfDeviceId(hub),
      files: () => this.certificateFiles(),
      domains: () => [],
      site: () => this.site,
    });
    context.readiness.add('CoAP entrance', () =>
      this.isReady ? undefined : 'has no certificate, or trusts no CA yet',
    );
  }

  /** The id of this site as a cloud of OCF devices, as the certificate says it; undefined while there is none. */
  get hubId(): OcfUuid | undefined {
    return this.ownName;
  }

  /** Follows the signer from now on. */
  async onModuleInit(): Promise<void> {
    const { mqtt } = this.context;
    const round = async () => void this.round();
    // Not durable: after a reconnect, as at the start, the signer is asked.
    await subscribeEvent(mqtt, trustBundleChanged, round, { isDurable: false, onInvalid: round });
    mqtt.onReconnect(round);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /**
   * Opens the entrance as soon as there is a certificate to show, and keeps it in step until the service stops.
   *
   * @throws Problem `config-invalid`: its address cannot be bound, or the files of the settings cannot be used
   */
  async open(handler: StreamListenerHandler): Promise<void> {
    const { context, opener } = this;
    const leafRule = identityRule({
      areRequired: () => context.settings.get('coap.tls.identity_properties_required'),
      hubId: () => this.ownName,
    });
    const read = () => this.readSecurity();
    this.entrance = new FrontEntrance({ group: 'coap', handler, context, opener, leafRule, limits, read });
    await this.round();
    this.running ??= this.run();
    this.entrance.requireNoFault();
  }

  private get isCertificateRequired(): boolean {
    return this.context.settings.get('coap.tls.client_certificate_required');
  }

  private get isReady(): boolean {
    const { caPath } = this.certificateFiles();
    const trustsAny = !this.isCertificateRequired || caPath !== undefined || this.site.length > 0;
    return this.certificate.isReady && trustsAny;
  }

  private certificateFiles() {
    const { settings } = this.context;
    return {
      certPath: settings.get(certificateKeys.cert),
      keyPath: settings.get(certificateKeys.key),
      caPath: settings.get(certificateKeys.ca),
      keys: certificateKeys,
    };
  }

  private async readSecurity() {
    const { identity, warnings } = await this.certificate.read();
    const { caPath } = this.certificateFiles();
    const { isCertificateRequired, site } = this;
    const now = this.context.clock.now();
    const security = await frontSecurity({ identity, site, caPath, isCertificateRequired, now });
    this.ownName = ocfUuidOf(certificatesFromPem(identity.certificatePem)[0]?.subject.commonNames[0] ?? '');
    return { ...security, warnings: [...warnings, ...security.warnings] };
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await pause(this.isReady ? roundMs : retryMs, { signal, ref: false });
      if (!signal.aborted) await this.round();
    }
  }

  private round(): Promise<void> {
    return this.rounds.run(() => this.catchUp().catch(this.faults.note));
  }

  /** Asks the signer, and puts in force what it says. When it does not answer, the CAs stay as they were. */
  private async catchUp(): Promise<void> {
    const before = fingerprintsOf(this.site);
    const site = await fetchTrustBundle(this.context, this.stopping.signal).catch(this.faults.note);
    this.site = site ?? this.site;
    // A request that fails is not repeated for a while, so a signer that is away is not asked for a certificate.
    const hasOtherCertificate = site && (await this.certificate.renewIfDue().catch(this.faults.note));
    if (!this.isReady) return;
    const isChanged = fingerprintsOf(this.site) !== before || hasOtherCertificate === true;
    await this.entrance?.putInForce({ isChanged });
  }
}

function fingerprintsOf(certificates: readonly Certificate[]): string {
  return certificates.map(({ fingerprint }) => fingerprint).join();
}
