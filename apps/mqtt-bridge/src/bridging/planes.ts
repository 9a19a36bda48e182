import type { RuleSet } from '@sallyport/bridge-rules';
import type { CloudCredentials } from '@sallyport/cloud';
import type { ConnectionOnce } from '@sallyport/runtime';
import type { BridgeFigures, BridgeNotice, BridgeState } from '../plane/bridge-types.js';
import type { BridgePlan } from './bridge-plan.js';

/** What the data plane of a bridge needs from its service. */
export interface PlaneAccess {
  /** One more connection to the local broker. */
  connectLocal(): Promise<ConnectionOnce>;
  /** @throws Problem `config-invalid`: as `CloudConnection.credentials` */
  credentials(): Promise<CloudCredentials>;
}

export interface PlaneEvents {
  onState(state: BridgeState): void;
  onNotice(notice: BridgeNotice): void;
}

/** The data plane of one bridge, which runs until it is stopped. */
export interface RunningPlane {
  /** From one message to the next. The connections stay. */
  replaceRules(rules: RuleSet): Promise<void>;
  figures(): Promise<BridgeFigures>;
  /** Says DISCONNECT on both sides, after the acknowledgements that are under way. */
  stop(): Promise<void>;
}

/** Where data planes run: in this thread, or in a worker. */
export abstract class Planes {
  abstract start(plan: BridgePlan, access: PlaneAccess, events: PlaneEvents): Promise<RunningPlane>;
  /** How often the thread of the planes was started again after a fault. */
  abstract readonly restarts: number;
  /** Ends what is left of the thread. */
  abstract close(): Promise<void>;
}
