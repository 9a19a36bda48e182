import { Controller } from '@nestjs/common';
import { RpcHandler } from '@sallyport/mqtt';
import { readTimeline, type TimelineAnswer, type TimelineQuestion } from '@sallyport/protocol';
import { Timeline, withinMessage } from '@sallyport/timeline';

/** What the gateway knows of the timeline of a device. */
@Controller()
export class TimelineController {
  constructor(private readonly timeline: Timeline) {}

  @RpcHandler(readTimeline('coap-gateway'))
  async read(question: TimelineQuestion): Promise<TimelineAnswer> {
    return { events: withinMessage(await this.timeline.events(question)) };
  }
}
