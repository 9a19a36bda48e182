import type { ConnectionOnce } from '@sallyport/runtime';
import type { PlaneAccess, PlaneEvents, RunningPlane } from '../bridging/planes.js';
import { ThisThread } from '../bridging/this-thread.js';
import { PortStream } from './port-stream.js';
import { type Answer, ThreadLink, type ThreadPort } from './thread-link.js';
import {
  credentialsAnswer,
  localAnswer,
  noAnswer,
  type PlaneQuestion,
  planeQuestion,
  type ServiceQuestion,
} from './thread-questions.js';

/** The worker's end: runs the data planes that the service asks for, until the thread is ended. */
export function servePlanes(port: ThreadPort): void {
  const planes = new Map<number, RunningPlane>();
  const threads = new ThisThread();
  const link = new ThreadLink(port, (question) => answer(planeQuestion.parse(question)));

  async function answer(question: PlaneQuestion): Promise<Answer> {
    const { kind, plane: id } = question;
    if (kind === 'start') {
      planes.set(id, await threads.start(question.plan, accessOf(link, id), eventsOf(link, id)));
      return {};
    }
    const plane = planes.get(id);
    if (plane === undefined) throw new Error('The bridge does not run in this thread.');
    if (kind === 'figures') return { value: await plane.figures() };
    if (kind === 'rules') await plane.replaceRules(question.rules);
    else await plane.stop().finally(() => planes.delete(id));
    return {};
  }
}

function accessOf(link: ThreadLink, plane: number): PlaneAccess {
  return {
    connectLocal: () => connectLocal(link, plane),
    credentials: () => link.ask({ kind: 'credentials', plane } satisfies ServiceQuestion, credentialsAnswer),
  };
}

async function connectLocal(link: ThreadLink, plane: number): Promise<ConnectionOnce> {
  const answer = await link.ask({ kind: 'connect-local', plane } satisfies ServiceQuestion, localAnswer);
  return answer.kind === 'once' ? answer.once : { kind: 'stream', stream: new PortStream(answer.port) };
}

function eventsOf(link: ThreadLink, plane: number): PlaneEvents {
  // What nobody wants to hear any more must not end the thread.
  const tell = (told: ServiceQuestion) => void link.ask(told, noAnswer).catch(() => undefined);
  return {
    onState: (state) => tell({ kind: 'state', plane, state }),
    onNotice: (notice) => tell({ kind: 'notice', plane, notice }),
  };
}
