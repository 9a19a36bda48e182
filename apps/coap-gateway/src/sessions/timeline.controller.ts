import { Controller } from '@nestjs/common';
import { RpcHandler } from '@sallyport/mqtt';
import { readTimeline, type TimelineAnswer, type TimelineQuestion } from '@sallyport/protocol';
import { mergedPage, Timeline, ValueEvents, withinMessage } from '@sallyport/timeline';

/** What the gateway knows of the timeline of a device: its sessions, and its values. */
@Controller()
export class TimelineController {
  constructor(
    private readonly timeline: Timeline,
    private readonly values: ValueEvents,
  ) {}

  @RpcHandler(readTimeline('coap-gateway'))
  async read(question: TimelineQuestion): Promise<TimelineAnswer> {
    const both = await Promise.all([this.timeline.events(question), this.values.events(question)]);
    return { events: withinMessage(mergedPage(both, question.limit)) };
  }
}
