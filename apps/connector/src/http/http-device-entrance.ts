import { join } from 'node:path';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { ServiceContext } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { Timeline } from '@sallyport/timeline';
import { ConnectorFront } from '../front/connector-front.js';
import { DeviceCredentials } from '../front/device-credentials.js';
import { type DeviceContact, DeviceValues } from '../values/device-values.js';
import { ContentCalls } from './content-calls.js';
import { type Content, Contents } from './contents.js';
import { DeviceApi } from './device-api.js';
import { DeviceConnection } from './device-connection.js';
import { HttpMetrics } from './http-metrics.js';
import { LongPolls } from './long-polls.js';
import { refusalProblem } from './refusal-problem.js';
import { ValueCalls } from './value-calls.js';

/** The HTTP device API: opens its entrance, and wires what answers there. */
@Injectable()
export class HttpDeviceEntrance implements OnApplicationBootstrap {
  private readonly api: DeviceApi;

  constructor(
    private readonly front: ConnectorFront,
    credentials: DeviceCredentials,
    values: DeviceValues,
    private readonly events: Timeline,
    private readonly store: Store,
    context: ServiceContext,
  ) {
    const { clock, log, metrics } = context;
    const nowMs = () => clock.now().getTime();

    const polls = new LongPolls({ values, nowMs });
    const directory = () => join(context.settings.require('data.path'), 'connector', 'content');
    this.api = new DeviceApi({
      directory: () => front.directory,
      credentials,
      values: new ValueCalls({ values, polls }),
      contents: new ContentCalls({
        contents: new Contents(directory),
        recordFetch: (device, content) => this.recordFetch(device, content),
      }),
      metrics: new HttpMetrics(metrics),
      log,
      nowMs,
    });
    // A device with a token must prove itself again, also while it waits.
    credentials.onChange((deviceId) =>
      polls.end((device) => this.api.hasNoSession(device) && (deviceId === undefined || device.deviceId === deviceId)),
    );
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.front.open('connector', {
      httpStream: (connection) => new DeviceConnection(connection, this.api).open(),
      refusalProblem,
    });
  }

  /** One event for each request: a device that fetches in parts makes several. */
  private async recordFetch({ deviceId, connector, address }: DeviceContact, { id }: Content): Promise<void> {
    const event = { type: 'content_in', device: deviceId, connector, protocol: 'https', address } as const;
    await this.store.transaction([], this.events.record({ ...event, payload: { id } }));
  }
}
