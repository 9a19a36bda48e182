import type { Provider } from '@nestjs/common';
import { AuditCheckpoints, AuditController, AuditLog } from '@sallyport/audit';
import { ServiceContext } from '@sallyport/runtime';
import { Store, scopedStore } from '@sallyport/store';
import { DeletedDevices, ValueEvents } from '@sallyport/timeline';
import { Twin } from '@sallyport/twin';
import { DeviceValues } from './device-values.js';
import { ResourceSchemas } from './resource-schemas.js';
import { TimelineController } from './timeline.controller.js';
import { ValuesController } from './values.controller.js';

const secondsOfDay = 86_400;

const twin: Provider = {
  provide: Twin,
  useFactory: (store: Store, { clock, settings }: ServiceContext) =>
    new Twin(scopedStore(store, 'twin/'), {
      clock,
      retention: {
        days: settings.require('connector.values.retention') / secondsOfDay,
        writes: settings.require('connector.values.max_writes'),
        bytes: settings.require('connector.values.max_size'),
      },
      cacheBytes: settings.require('connector.values.cache_size'),
      unpublishedBytes: settings.require('connector.values.max_unpublished'),
    }),
  inject: [Store, ServiceContext],
};

const values: Provider = {
  provide: DeviceValues,
  useFactory: (of: Twin) => new DeviceValues(of),
  inject: [Twin],
};

const auditLog: Provider = {
  provide: AuditLog,
  useFactory: (store: Store, { clock }: ServiceContext) => new AuditLog(store, clock),
  inject: [Store, ServiceContext],
};

/** The wiring of values, and of what administrators did with them, for the module of the connector. */
export const valueParts = {
  controllers: [AuditController, TimelineController, ValuesController],
  providers: [auditLog, AuditCheckpoints, twin, values, ResourceSchemas, ValueEvents, DeletedDevices],
};
