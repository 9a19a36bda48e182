import { Body, Controller } from '@nestjs/common';
import { type BridgeList, type BridgeReloadResponse, bridgeReloadRequest, mqttBridgeRoutes } from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { Bridges } from './bridges.js';

/** Admin API of the bridges: how they are, and what a reload changes. */
@Controller()
export class BridgesController {
  constructor(private readonly bridges: Bridges) {}

  @Serves(mqttBridgeRoutes.list)
  async list(): Promise<BridgeList> {
    return { bridges: await this.bridges.describe() };
  }

  @Serves(mqttBridgeRoutes.reload)
  reload(@Body() body: unknown): Promise<BridgeReloadResponse> {
    return this.bridges.reload(bridgeReloadRequest.parse(body ?? {}));
  }
}
