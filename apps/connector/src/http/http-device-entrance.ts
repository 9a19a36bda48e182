import { join } from 'node:path';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { ServiceContext } from '@sallyport/runtime';
import { ConnectorFront } from '../front/connector-front.js';
import { DeviceCredentials } from '../front/device-credentials.js';
import { GuessLimit } from '../front/guess-limit.js';
import { DeviceValues } from '../values/device-values.js';
import { ContentCalls } from './content-calls.js';
import { Contents } from './contents.js';
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
    guesses: GuessLimit,
    context: ServiceContext,
  ) {
    const { clock, log, metrics } = context;
    const nowMs = () => clock.now().getTime();

    const polls = new LongPolls({ values, nowMs });
    const directory = () => join(context.settings.require('data.path'), 'connector', 'content');
    this.api = new DeviceApi({
      directory: () => front.directory,
      credentials,
      guesses,
      values: new ValueCalls({ values, polls }),
      contents: new ContentCalls({ contents: new Contents(directory), onFetched: () => undefined }),
      metrics: new HttpMetrics(metrics),
      log,
      nowMs,
    });
    // A device with a token has no session that could be cut: its waiting ends, and it must prove itself again.
    credentials.onChange((deviceId) => polls.end(deviceId));
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.front.open('connector', {
      httpStream: (connection) => new DeviceConnection(connection, this.api).open(),
      refusalProblem,
    });
  }
}
