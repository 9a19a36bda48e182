import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Semaphore } from '@sallyport/concurrency';
import { answerRefused } from '@sallyport/mqtt-wire';
import { type DeviceId, Problem } from '@sallyport/protocol';
import { ServiceContext } from '@sallyport/runtime';
import type { Connection, Limits } from '@sallyport/tls';
import { ConnectorFront } from '../front/connector-front.js';
import { DeviceCredentials } from '../front/device-credentials.js';
import { type DeviceContact, DeviceValues } from '../values/device-values.js';
import type { ClientContact } from './client-contact.js';
import { DeviceSessions } from './device-sessions.js';
import { MqttClient } from './mqtt-client.js';
import { SessionEvents } from './session-events.js';
import { registerSessionMetrics } from './session-metrics.js';
import { valuesOverMqtt } from './values-over-mqtt.js';

/** A fleet keeps its connections open, and comes back all at once. */
const limits: Partial<Limits> = { connections: 20_000 };

// So many tokens are checked anew at a time, after a change that may concern any device.
const rechecksAtOnce = 16;

/** The MQTT device API: opens its entrance, and says who its clients are. */
@Injectable()
export class MqttDeviceEntrance implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly sessions: DeviceSessions;
  private readonly clients = new Set<MqttClient>();
  private readonly rechecks = new Semaphore(rechecksAtOnce);

  constructor(
    private readonly front: ConnectorFront,
    private readonly credentials: DeviceCredentials,
    values: DeviceValues,
    private readonly sessionEvents: SessionEvents,
    { clock, log, metrics }: ServiceContext,
  ) {
    this.sessions = new DeviceSessions({
      now: () => clock.now().getTime(),
      onWarning: (text, fields) => log.info(fields, text),
      onConnect: (device, contact) => sessionEvents.tell('connect', device, contact),
      onDisconnect: (device, contact) => sessionEvents.tell('disconnect', device, contact),
      valuesOf: (device, contact) => valuesOverMqtt(values, () => this.contactOf(device, contact)),
    });
    registerSessionMetrics(metrics, this.sessions.counters);
    credentials.onChange((changed) => this.recheckAll(changed));
  }

  async onApplicationBootstrap(): Promise<void> {
    const stream = (connection: Connection) => this.serve(connection);
    await this.front.open('connector.mqtt', { stream, refuseStream: answerRefused, limits });
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.sessions.stop();
    await this.sessionEvents.idle();
  }

  private serve(connection: Connection): void {
    const { socket, destination } = connection;
    // The listener knows the connector of each connection that it hands over.
    if (destination.connector === undefined) {
      connection.close();
      return;
    }
    const { credentials } = this;
    const client = new MqttClient({ connection, connector: destination.connector, credentials });
    this.clients.add(client);
    socket.once('close', () => this.clients.delete(client));
    this.sessions.accept(socket, client);
  }

  private recheckAll(changed: DeviceId | undefined): void {
    for (const client of this.clients) if (client.isConcerned(changed)) void this.recheck(client);
  }

  private async recheck(client: MqttClient): Promise<void> {
    await this.rechecks.acquire();
    try {
      await client.recheck();
    } finally {
      this.rechecks.release();
    }
  }

  private contactOf(deviceId: DeviceId, { connector, remoteAddress }: ClientContact): DeviceContact {
    const view = this.front.directory?.named(connector);
    if (view === undefined) throw new Problem('unavailable', `The connector "${connector}" is not there any more.`);
    return { deviceId, connector, protocol: 'mqtt', address: remoteAddress, resources: view.settings.resources };
  }
}
