import type { Provider } from '@nestjs/common';
import { AuditCheckpoints, AuditController, AuditLog } from '@sallyport/audit';
import { adminEntrance } from '@sallyport/entrance';
import { ServiceContext } from '@sallyport/runtime';
import { Store, scopedStore } from '@sallyport/store';
import { DeletedDevices, ValueEvents } from '@sallyport/timeline';
import { Twin } from '@sallyport/twin';
import { DeviceClient } from './clients/device-client.js';
import { Observers } from './clients/observers.js';
import { Commands } from './commands/commands.js';
import { KeptOfDevice } from './kept-of-device.js';
import { LinkDirectory } from './links/link-directory.js';
import { ResourceDirectory } from './links/resource-directory.js';
import { ResourceDiscovery } from './links/resource-discovery.js';
import { ResourceMetrics } from './resource-metrics.js';
import { ResourceWork } from './resource-work.js';
import { ResourcesController } from './resources.controller.js';
import { KeptValues } from './values/kept-values.js';
import { TwinSync } from './values/twin-sync.js';

const twin: Provider = {
  provide: Twin,
  useFactory: (store: Store, { clock }: ServiceContext) => new Twin(scopedStore(store, 'twin/'), { clock }),
  inject: [Store, ServiceContext],
};

const auditLog: Provider = {
  provide: AuditLog,
  useFactory: (store: Store, { clock }: ServiceContext) => new AuditLog(store, clock),
  inject: [Store, ServiceContext],
};

/** The wiring of resources, and of what administrators do with them, for the module of the gateway. */
export const resourceParts = {
  controllers: [AuditController, ResourcesController],
  providers: [
    auditLog,
    AuditCheckpoints,
    adminEntrance({ group: 'coap.admin', command: 'sallyport coap' }),
    twin,
    ValueEvents,
    DeletedDevices,
    KeptValues,
    TwinSync,
    LinkDirectory,
    Commands,
    KeptOfDevice,
    ResourceDirectory,
    ResourceDiscovery,
    Observers,
    DeviceClient,
    ResourceMetrics,
    ResourceWork,
  ],
};
