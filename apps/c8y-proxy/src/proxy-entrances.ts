import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Entrances } from '@sallyport/entrance';
import { ConnectedContext, MqttSessions } from '@sallyport/runtime';
import { ReplayRoom } from './forwarding/replay-room.js';
import { ProxyMetrics } from './proxy-metrics.js';
import { TenantProxy } from './tenant-proxy.js';

const group = 'c8y.proxy';

/** Opens an entrance for each connection to Cumulocity, as the settings say, now and at each reload. */
@Injectable()
export class ProxyEntrances implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly proxies = new Map<string | undefined, TenantProxy>();
  private readonly metrics: ProxyMetrics;
  private readonly room = new ReplayRoom();

  constructor(
    private readonly context: ConnectedContext,
    private readonly sessions: MqttSessions,
    private readonly entrances: Entrances,
  ) {
    this.metrics = new ProxyMetrics(context.metrics);
  }

  /**
   * @throws Problem `config-invalid`: an address cannot be bound, the files of `c8y.proxy.*` do not belong together, two
   *   connections have one port, or the rules of the site are wrong
   */
  async onApplicationBootstrap(): Promise<void> {
    await this.entrances.openForConnections(group, (profile) => {
      const proxy = this.proxies.get(profile) ?? this.proxyFor(profile);
      return { handler: { httpStream: (connection) => proxy.serve(connection) }, takeOver: () => proxy.read() };
    });
  }

  /** After the entrances have drained. */
  onApplicationShutdown(): void {
    for (const proxy of this.proxies.values()) proxy.close();
  }

  private proxyFor(profile: string | undefined): TenantProxy {
    const { context, sessions, metrics, room } = this;
    const proxy = new TenantProxy({ context, sessions, profile, metrics, room });
    this.proxies.set(profile, proxy);
    return proxy;
  }
}
