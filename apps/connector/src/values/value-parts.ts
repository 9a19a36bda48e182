import type { Provider } from '@nestjs/common';
import { Clock } from '@sallyport/runtime';
import { Store, scopedStore } from '@sallyport/store';
import { Twin } from '@sallyport/twin';
import { DeletedDevices } from './deleted-devices.js';
import { DeviceValues } from './device-values.js';
import { ResourceSchemas } from './resource-schemas.js';
import { TimelineController } from './timeline.controller.js';
import { ValueEvents } from './value-events.js';
import { ValuesController } from './values.controller.js';

const twin: Provider = {
  provide: Twin,
  useFactory: (store: Store, clock: Clock) => new Twin(scopedStore(store, 'twin/'), { clock }),
  inject: [Store, Clock],
};

const values: Provider = {
  provide: DeviceValues,
  useFactory: (of: Twin) => new DeviceValues(of),
  inject: [Twin],
};

/** The wiring of values, for the module of the connector. */
export const valueParts = {
  controllers: [TimelineController, ValuesController],
  providers: [twin, values, ResourceSchemas, ValueEvents, DeletedDevices],
};
