import { Injectable } from '@nestjs/common';
import { RpcClient } from '@sallyport/mqtt';
import {
  type DeviceEvent,
  readTimeline,
  type TimelinePage,
  type TimelineQuestion,
  type TimelineService,
  timelineService,
} from '@sallyport/protocol';
import { FaultLog, ServiceContext } from '@sallyport/runtime';
import { mergedPage, Timeline } from '@sallyport/timeline';

// A page is shown to somebody who waits. A service that runs answers in a few milliseconds.
const answerDeadlineMs = 2_000;

/** The timeline of a device over all services. */
@Injectable()
export class MergedTimeline {
  private readonly faults: FaultLog;

  constructor(
    private readonly timeline: Timeline,
    private readonly rpc: RpcClient,
    { log, clock }: ServiceContext,
  ) {
    this.faults = new FaultLog(log, clock, 'a service did not tell its events of a device');
  }

  /** A service that does not answer is named; its events are missing. */
  async page(question: TimelineQuestion): Promise<TimelinePage> {
    const own = this.timeline.events(question);
    const answers = await Promise.all(timelineService.options.map((service) => this.ask(service, question)));
    const missing = timelineService.options.filter((_, index) => answers[index] === undefined);
    const events = mergedPage(
      [await own, ...answers.flatMap((answer) => (answer === undefined ? [] : [answer]))],
      question.limit,
    );
    const last = events.at(-1);
    return { events, missing, ...(last === undefined ? {} : { before: last.id }) };
  }

  private async ask(service: TimelineService, question: TimelineQuestion): Promise<DeviceEvent[] | undefined> {
    try {
      return (await this.rpc.call(readTimeline(service), question, { deadlineMs: answerDeadlineMs })).events;
    } catch (error) {
      this.faults.note(error);
      return undefined;
    }
  }
}
