import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common';
import { pause, SerialQueue } from '@sallyport/concurrency';
import { Entrances, FrontCertificate, FrontEntrance, type FrontGroup, fetchTrustBundle } from '@sallyport/entrance';
import { subscribeEvent } from '@sallyport/mqtt';
import {
  type ConnectorName,
  connectorsChanged,
  defaultConnector,
  deviceId,
  trustBundleChanged,
} from '@sallyport/protocol';
import { ConnectedContext, FaultLog } from '@sallyport/runtime';
import type { ListenerHandler } from '@sallyport/tls';
import type { Certificate } from '@sallyport/x509';
import type { ConnectorDirectory } from './connector-directory.js';
import { frontSecurity, keepsSession } from './front-security.js';
import { RegistryFeed } from './registry-feed.js';

const certificateKeys = { cert: 'connector.cert_path', key: 'connector.key_path', ca: 'connector.ca_path' } as const;

// The registry takes a listener for gone after three times as long.
const roundMs = 15_000;
// While something is missing, such as the answer of the registry.
const retryMs = 2_000;

/**
 * Where devices connect: the entrances of the connector, kept in step with what the registry says of connectors and Client
 * CAs. It starts without registry and signer, and opens when they have answered.
 */
@Injectable()
export class ConnectorFront implements OnModuleInit, BeforeApplicationShutdown {
  private readonly feed: RegistryFeed;
  private readonly certificate: FrontCertificate;
  private readonly faults: FaultLog;
  private readonly entrances: FrontEntrance[] = [];
  // In order: an earlier answer of the registry must not replace a later one.
  private readonly rounds = new SerialQueue();
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private current: ConnectorDirectory | undefined;
  private site: readonly Certificate[] = [];

  constructor(
    private readonly context: ConnectedContext,
    private readonly opener: Entrances,
  ) {
    this.feed = new RegistryFeed(context);
    this.faults = new FaultLog(context.log, context.clock, 'connectors not up to date, will try again');
    this.certificate = new FrontCertificate(context, {
      service: 'connector',
      commonName: deviceId.parse(context.name),
      files: () => certificateFiles(context.settings),
      domains: () => this.current?.domains ?? [],
      site: () => this.site,
    });
    context.readiness.add('connectors', () => (this.isInStep ? undefined : 'are not known yet'));
  }

  /** Undefined while the registry has not answered yet. Nobody can connect then. */
  get directory(): ConnectorDirectory | undefined {
    return this.current;
  }

  /** Follows registry and signer from now on. */
  async onModuleInit(): Promise<void> {
    const { mqtt } = this.context;
    const round = async () => void this.round();
    // Not durable: after a reconnect, as at the start, both are asked.
    await subscribeEvent(mqtt, connectorsChanged, round, { isDurable: false, onInvalid: round });
    await subscribeEvent(mqtt, trustBundleChanged, round, { isDurable: false, onInvalid: round });
    mqtt.onReconnect(round);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
    // The registry finds out by itself if it does not hear this.
    if (this.current !== undefined) await this.feed.report(this.current.version, { leaves: true }).catch(ignore);
  }

  /**
   * Opens an entrance as soon as there is a certificate to show, and keeps it in step until the service stops.
   *
   * @throws Problem `config-invalid`: its address cannot be bound, or the files of the settings cannot be used
   */
  async open(group: FrontGroup, handler: ListenerHandler): Promise<void> {
    const { context, opener, connectorOf } = this;
    const read = () => this.readSecurity();
    const entrance = new FrontEntrance({ group, handler, context, opener, connectorOf, read });
    this.entrances.push(entrance);
    await this.round();
    this.running ??= this.run();
    entrance.requireNoFault();
  }

  /** The connector of a host; undefined: nobody serves it. */
  private readonly connectorOf = (serverName: string | undefined): ConnectorName | undefined => {
    if (serverName !== undefined) return this.current?.connectorOf(serverName);
    return this.context.settings.get('connector.requires_sni') ? undefined : defaultConnector;
  };

  private get isInStep(): boolean {
    return this.current !== undefined && this.certificate.isReady;
  }

  private async readSecurity() {
    const { identity, warnings } = await this.certificate.read();
    const security = frontSecurity({
      identity,
      connectors: this.current?.all ?? [],
      site: this.site,
      now: this.context.clock.now(),
    });
    return { ...security, warnings: [...warnings, ...security.warnings] };
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await pause(this.isInStep ? roundMs : retryMs, { signal, ref: false });
      if (!signal.aborted) await this.round();
    }
  }

  private round(): Promise<void> {
    return this.rounds.run(() => this.catchUp().catch(this.faults.note));
  }

  /** Asks registry and signer, and puts in force what they say. */
  private async catchUp(): Promise<void> {
    const directory = await this.feed.read(this.current);
    const isOther = directory !== this.current;
    this.current = directory;
    const isOtherSite = await this.readSite();
    const hasOtherCertificate = await this.certificate.renewIfDue().catch(this.faults.note);
    if (!this.certificate.isReady) return;
    const isChanged = isOther || isOtherSite || hasOtherCertificate === true;
    for (const entrance of this.entrances) await entrance.putInForce({ isChanged });
    if (isOther) this.opener.recheck((peer) => keepsSession(peer, directory.all));
    await this.feed.report(directory.version, { leaves: false });
  }

  /** @returns whether the CAs of this site have changed; when the signer does not answer, they stay as they were */
  private async readSite(): Promise<boolean> {
    const before = fingerprintsOf(this.site);
    try {
      this.site = await fetchTrustBundle(this.context, this.stopping.signal);
    } catch (error) {
      this.faults.note(error);
    }
    return fingerprintsOf(this.site) !== before;
  }
}

function certificateFiles(settings: ConnectedContext['settings']) {
  return {
    certPath: settings.get(certificateKeys.cert),
    keyPath: settings.get(certificateKeys.key),
    keys: certificateKeys,
  };
}

function fingerprintsOf(certificates: readonly Certificate[]): string {
  return certificates.map(({ fingerprint }) => fingerprint).join();
}

function ignore(): void {}
