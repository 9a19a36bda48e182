import { Controller } from '@nestjs/common';
import { type BrokerStatus, mqttBrokerRoutes } from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { ServingBroker } from './serving-broker.js';

/** Admin API of the MQTT broker: what serves behind the entrance, and how it does. */
@Controller()
export class BrokerController {
  constructor(private readonly broker: ServingBroker) {}

  @Serves(mqttBrokerRoutes.status)
  status(): BrokerStatus {
    return this.broker.status;
  }
}
