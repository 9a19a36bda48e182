import { CoapError, type CoapResponse, type OutgoingRequest } from '@sallyport/coap-wire';
import { within } from '@sallyport/concurrency';
import type { CommandKind, ResourceHref } from '@sallyport/protocol';
import type { DeviceSession } from '../../sessions/device-session.js';
import { gatewayStatus, pathOf } from '../values/device-resources.js';
import { type Command, type CommandOutcome, contentOfStored, largestAnswerBytes, storedBodyOf } from './command.js';
import type { Commands, PendingEntry } from './commands.js';

export interface CommandRunnerOptions {
  readonly session: DeviceSession;
  readonly commands: Commands;
  /** How long the device may take for an answer. */
  readonly deadlineMs: number;
  /** The device says that it does not have the resource. */
  readonly onGone: (href: ResourceHref) => void;
  /** The device told the value of a resource. */
  readonly onRetrieved: (href: ResourceHref, response: CoapResponse) => void;
  readonly onOutcome: (kind: CommandKind, outcome: CommandOutcome) => void;
  /** The store does not answer. The next call tries again. */
  readonly onFault: (error: unknown) => void;
}

const gatewayStatusAnswers = { retrieve: '2.05', update: '4.05', create: '4.03', delete: '4.03' } as const;

/** Sends the commands of one device on its connection, one after the other, oldest first. */
export class CommandRunner {
  private isCalled = false;
  private isSettling = false;
  private running: Promise<void> | undefined;

  constructor(private readonly options: CommandRunnerOptions) {}

  /** Looks for commands now, or when those that are under way are done. */
  wake(): void {
    this.isCalled = true;
    if (this.isOver) return;
    this.running ??= this.run();
  }

  /**
   * Sends no more commands, and resolves when none runs.
   *
   * @throws CoapError `5.03`: one still runs after the deadline
   */
  async settle(deadlineMs: number): Promise<void> {
    this.isSettling = true;
    const late = () => new CoapError('5.03', 'temporary error: a command still runs on the device');
    await within(this.running ?? Promise.resolve(), deadlineMs, { late });
  }

  private get isOver(): boolean {
    return this.isSettling || this.options.session.signal.aborted;
  }

  private async run(): Promise<void> {
    const { commands, session, onFault } = this.options;
    try {
      while (this.isCalled && !this.isOver) {
        this.isCalled = false;
        for (const command of await commands.pendingOf(session.device)) if (!this.isOver) await this.carryOut(command);
      }
    } catch (error) {
      onFault(error);
    } finally {
      this.running = undefined;
    }
  }

  private async carryOut(entry: PendingEntry): Promise<void> {
    const { commands, session, onOutcome } = this.options;
    const command = await commands.find(entry);
    if (command?.outcome !== undefined || command === undefined) return;
    if (command.sentOn !== undefined)
      return commands.finish(command, unavailable('the connection of the device ended before its answer'));
    const claimed = await commands.claim(command, session.connectionId);
    if (claimed === undefined) return;
    const outcome = await this.send(claimed);
    onOutcome(command.kind, outcome);
    await commands.finish(claimed, outcome);
  }

  private async send(command: Command): Promise<CommandOutcome> {
    const { session, deadlineMs } = this.options;
    if (command.href === gatewayStatus) return { kind: 'answered', code: gatewayStatusAnswers[command.kind] };
    try {
      const response = await session.endpoint.request(requestOf(command), { deadlineMs, signal: session.signal });
      this.tell(command, response);
      return answered(response);
    } catch (error) {
      return unavailable(error instanceof CoapError ? error.diagnostic : 'the session of the device ended');
    }
  }

  private tell({ kind, href, resourceInterface }: Command, response: CoapResponse): void {
    if (response.code === '4.04') this.options.onGone(href);
    else if (kind === 'retrieve' && resourceInterface === undefined) this.options.onRetrieved(href, response);
  }
}

function requestOf({ kind, href, resourceInterface, body }: Command): OutgoingRequest {
  const name = kind === 'create' ? 'oic.if.create' : resourceInterface;
  return {
    method: ({ retrieve: 'GET', update: 'POST', create: 'POST', delete: 'DELETE' } as const)[kind],
    path: pathOf(href),
    ...(name === undefined ? {} : { query: [`if=${name}`] }),
    ...(body === undefined ? {} : contentOfStored(body)),
  };
}

function answered({ code, contentFormat, payload = Buffer.alloc(0) }: CoapResponse): CommandOutcome {
  if (payload.length > largestAnswerBytes)
    return unavailable(`the device answered ${code} with ${payload.length} bytes; ${largestAnswerBytes} are taken`);
  if (payload.length === 0) return { kind: 'answered', code };
  return { kind: 'answered', code, body: storedBodyOf({ contentFormat, payload }) };
}

function unavailable(reason: string): CommandOutcome {
  return { kind: 'unavailable', reason };
}
