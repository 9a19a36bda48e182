import { Module, type Provider } from '@nestjs/common';
import { EntranceModule } from '@sallyport/entrance';
import { Clock } from '@sallyport/runtime';
import { Store, scopedStore } from '@sallyport/store';
import { Timeline } from '@sallyport/timeline';
import { Twin } from '@sallyport/twin';
import { ConnectorFront } from './front/connector-front.js';
import { DeviceCredentials } from './front/device-credentials.js';
import { HttpDeviceEntrance } from './http/http-device-entrance.js';
import { DeviceValues } from './values/device-values.js';

const twin: Provider = {
  provide: Twin,
  inject: [Store, Clock],
  useFactory: (store: Store, clock: Clock) => new Twin(scopedStore(store, 'twin/'), { clock }),
};

const values: Provider = {
  provide: DeviceValues,
  inject: [Twin],
  useFactory: (opened: Twin) => new DeviceValues(opened),
};

/** Wires the parts of the connector. */
@Module({
  imports: [EntranceModule],
  providers: [twin, values, Timeline, ConnectorFront, DeviceCredentials, HttpDeviceEntrance],
})
export class ConnectorModule {}
