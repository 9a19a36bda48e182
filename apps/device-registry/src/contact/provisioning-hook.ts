import { Injectable } from '@nestjs/common';
import { Semaphore } from '@sallyport/concurrency';
import { FaultLog, ServiceContext } from '@sallyport/runtime';
import { z } from 'zod';
import { AllowedAddresses } from '../allowed-addresses.js';
import { Refusal } from './refusal.js';

const deadlineMs = 5_000;
// A hook that hangs must not hold every contact of a fleet in memory.
const mostAtOnce = 64;
const longestAnswer = 4_096;

/** What the hook is told about a device that comes for the first time. */
export interface HookQuestion {
  readonly connector: string;
  readonly identity: string;
  readonly remoteAddress: string;
  readonly credential: 'certificate' | 'token' | 'password';
  /** PEM would be longer; DER in base64. */
  readonly certificate?: string;
  readonly fingerprint?: string;
  readonly clientCa?: string;
}

const hookAnswer = z.looseObject({ allow: z.boolean() });

/**
 * Asks the program of an operator before a new device is admitted: POST with JSON, answered by `{"allow": true}` or
 * `{"allow": false}`. Everything else refuses the device, and so does silence.
 */
@Injectable()
export class ProvisioningHook {
  private readonly places = new Semaphore(mostAtOnce);

  private readonly faults: FaultLog;

  constructor(
    context: ServiceContext,
    private readonly allowed: AllowedAddresses,
  ) {
    this.faults = new FaultLog(context.log, context.clock, 'provisioning hook gave no valid answer');
  }

  /** @throws Refusal `hook-refused`, `hook-unavailable` */
  async requireConsent(url: string, question: HookQuestion): Promise<void> {
    if (!this.places.tryAcquire()) throw new Refusal('hook-unavailable');
    try {
      if (!(await this.ask(url, question))) throw new Refusal('hook-refused');
    } catch (error) {
      if (error instanceof Refusal) throw error;
      this.faults.note(error);
      throw new Refusal('hook-unavailable');
    } finally {
      this.places.release();
    }
  }

  private async ask(url: string, question: HookQuestion): Promise<boolean> {
    // Asked again each time: the operator may have taken the origin back since the connector was saved.
    const { origin } = new URL(url);
    if (!(await this.allowed.webhookOrigins()).includes(origin))
      throw new Error(`${origin} is not in registry.webhook.origins`);
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(question),
      // The URL is what an administrator chose; another one is not.
      redirect: 'error',
      signal: AbortSignal.timeout(deadlineMs),
    });
    const text = await boundedText(response);
    if (!response.ok) throw new Error(`the hook answered with status ${response.status}`);
    return hookAnswer.parse(JSON.parse(text)).allow;
  }
}

async function boundedText(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.byteLength;
    if (length > longestAnswer) throw new Error(`the hook answered with more than ${longestAnswer} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
