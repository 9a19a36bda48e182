import { Module } from '@nestjs/common';
import { EntranceModule } from '@sallyport/entrance';
import { Timeline } from '@sallyport/timeline';
import { ConnectorFront } from './front/connector-front.js';
import { DeviceCredentials } from './front/device-credentials.js';
import { GuessLimit } from './front/guess-limit.js';
import { HttpDeviceEntrance } from './http/http-device-entrance.js';
import { MqttDeviceEntrance } from './mqtt/mqtt-device-entrance.js';
import { SessionEvents } from './mqtt/session-events.js';
import { valueParts } from './values/value-parts.js';

/** Wires the parts of the connector. */
@Module({
  imports: [EntranceModule],
  controllers: [...valueParts.controllers],
  providers: [
    ...valueParts.providers,
    Timeline,
    ConnectorFront,
    { provide: GuessLimit, useFactory: () => new GuessLimit() },
    DeviceCredentials,
    HttpDeviceEntrance,
    SessionEvents,
    MqttDeviceEntrance,
  ],
})
export class ConnectorModule {}
