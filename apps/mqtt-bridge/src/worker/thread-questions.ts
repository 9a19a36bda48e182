import { MessagePort } from 'node:worker_threads';
import type { RuleSet } from '@sallyport/bridge-rules';
import type { CloudCredentials } from '@sallyport/cloud';
import type { ConnectionOnce } from '@sallyport/runtime';
import { z } from 'zod';
import type { BridgePlan } from '../bridging/bridge-plan.js';
import type { BridgeFigures, BridgeNotice, BridgeState } from '../plane/bridge-types.js';

/** Numbers a data plane in both threads. */
const plane = z.number().int();

/** What the service asks the worker. */
export const planeQuestion = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('start'), plane, plan: z.custom<BridgePlan>() }),
  z.object({ kind: z.literal('rules'), plane, rules: z.custom<RuleSet>() }),
  z.object({ kind: z.literal('figures'), plane }),
  z.object({ kind: z.literal('stop'), plane }),
]);
export type PlaneQuestion = z.infer<typeof planeQuestion>;

/** What the worker asks the service, and tells it. */
export const serviceQuestion = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('connect-local'), plane }),
  z.object({ kind: z.literal('credentials'), plane }),
  z.object({ kind: z.literal('state'), plane, state: z.custom<BridgeState>() }),
  z.object({ kind: z.literal('notice'), plane, notice: z.custom<BridgeNotice>() }),
]);
export type ServiceQuestion = z.infer<typeof serviceQuestion>;

/** A connection to the local broker: the bytes of one in this process come over a port. */
export const localAnswer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('port'), port: z.instanceof(MessagePort) }),
  z.object({ kind: z.literal('once'), once: z.custom<Extract<ConnectionOnce, { readonly kind: 'network' }>>() }),
]);
export type LocalAnswer = z.infer<typeof localAnswer>;

export const figuresAnswer = z.custom<BridgeFigures>();
export const credentialsAnswer = z.custom<CloudCredentials>();
export const noAnswer = z.undefined();
