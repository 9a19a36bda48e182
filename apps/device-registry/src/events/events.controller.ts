import type { ServerResponse } from 'node:http';
import { Body, Controller, Headers, Param, Query, Res } from '@nestjs/common';
import { Actor } from '@sallyport/entrance';
import {
  deviceId,
  eventRoutes,
  eventStreamQuery,
  type TimelinePage,
  timelineQuery,
  type Webhook,
  type WebhookDescription,
  type WebhookList,
  webhookChange,
  webhookName,
} from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { z } from 'zod';
import { Devices } from '../devices/devices.js';
import { EventStreams } from './event-streams.js';
import { MergedTimeline } from './merged-timeline.js';
import { WebhookDelivery } from './webhook-delivery.js';
import { Webhooks } from './webhooks.js';

/** The part of Fastify's reply that gives an answer out of its hands. */
interface Reply {
  readonly raw: ServerResponse;
  hijack(): void;
}

const webhookPath = z.object({ name: webhookName });

/** Admin API of the events of devices. */
@Controller()
export class EventsController {
  constructor(
    private readonly devices: Devices,
    private readonly timeline: MergedTimeline,
    private readonly streams: EventStreams,
    private readonly webhooks: Webhooks,
    private readonly delivery: WebhookDelivery,
  ) {}

  @Serves(eventRoutes.showTimeline)
  async showTimeline(@Param() path: unknown, @Query() query: unknown): Promise<TimelinePage> {
    const { id } = z.object({ id: deviceId }).parse(path);
    const question = timelineQuery.parse(query);
    const page = await this.timeline.page({ deviceId: id, ...question });
    // The timeline of a deleted device tells that it was deleted. A name that never was here is not found.
    if (page.events.length === 0) await this.devices.require(id);
    return page;
  }

  @Serves(eventRoutes.streamEvents)
  async stream(@Query() query: unknown, @Headers('last-event-id') lastId: string | undefined, @Res() reply: Reply) {
    const wanted = eventStreamQuery.parse(query);
    await this.streams.open(reply.raw, { wanted, lastId, begin: () => reply.hijack() });
  }

  @Serves(eventRoutes.listWebhooks)
  async listWebhooks(): Promise<WebhookList> {
    const webhooks = await this.webhooks.list();
    return { webhooks: await Promise.all(webhooks.map((each) => this.describe(each))) };
  }

  @Serves(eventRoutes.setWebhook)
  async setWebhook(@Param() path: unknown, @Body() body: unknown, @Actor() actor: string): Promise<WebhookDescription> {
    const { name } = webhookPath.parse(path);
    const set = await this.webhooks.set(name, webhookChange.parse(body), actor);
    await this.delivery.refresh();
    return this.describe(set);
  }

  @Serves(eventRoutes.removeWebhook)
  async removeWebhook(@Param() path: unknown, @Actor() actor: string): Promise<void> {
    await this.webhooks.remove(webhookPath.parse(path).name, actor);
    await this.delivery.refresh();
  }

  private async describe(webhook: Webhook): Promise<WebhookDescription> {
    const fault = this.delivery.faultOf(webhook.name);
    const waiting = await this.webhooks.waiting(webhook.name);
    return { ...webhook, waiting, ...(fault === undefined ? {} : { fault }) };
  }
}
