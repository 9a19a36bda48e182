import { SerialQueue } from '@sallyport/concurrency';
import { Bridge } from '../plane/bridge.js';
import type { BridgeState, SideState } from '../plane/bridge-types.js';
import type { BridgePlan } from './bridge-plan.js';
import { cloudFaultText, localSide, remoteSide } from './plane-sides.js';
import { type PlaneAccess, type PlaneEvents, Planes, type RunningPlane } from './planes.js';
import { rulesOfPlane } from './rules-of-plane.js';

/** Runs data planes in this thread. */
export class ThisThread extends Planes {
  readonly restarts = 0;

  async start(plan: BridgePlan, access: PlaneAccess, events: PlaneEvents): Promise<RunningPlane> {
    const explainer = new Explainer(
      (fault) => cloudFaultText(plan, access, fault),
      (state) => events.onState(state),
    );
    const bridge = new Bridge({
      local: localSide(plan, access),
      remote: remoteSide(plan, access),
      rules: rulesOfPlane(plan.rules),
      deadLetterPrefix: plan.deadLetterPrefix,
      limits: plan.limits,
      onState: (state) => explainer.note(state),
      onNotice: (notice) => events.onNotice(notice),
    });
    bridge.start();
    return {
      replaceRules: async (rules) => bridge.replaceRules(rulesOfPlane(rules)),
      figures: async () => bridge.figures,
      stop: () => bridge.stop(),
    };
  }

  async close(): Promise<void> {
    // Each plane is stopped by the one that started it.
  }
}

/** Why the cloud is away, in words of people. Faults come in order, and most of them come again and again. */
class Explainer {
  private readonly queue = new SerialQueue();
  private known?: { readonly fault: unknown; readonly text: string };

  constructor(
    private readonly explain: (fault: unknown) => Promise<string>,
    private readonly show: (state: BridgeState) => void,
  ) {}

  /** With a cloud that speaks TLS 1.3, a refusal of our certificate is a fault of the open connection. */
  note({ status, isSubscribed, local, remote }: BridgeState): void {
    void this.queue.run(async () => {
      const failure = remote.cause === undefined ? undefined : await this.textOf(remote.cause);
      this.show({
        status,
        isSubscribed,
        local: plain(local),
        remote: plain(failure === undefined ? remote : { ...remote, failure }),
      });
    });
  }

  private async textOf(fault: unknown): Promise<string> {
    const { known } = this;
    if (known !== undefined && known.fault === fault) return known.text;
    const text = await this.explain(fault);
    this.known = { fault, text };
    return text;
  }
}

/** Without the cause, which cannot be sent to another thread. */
function plain({ cause: _cause, ...state }: SideState): SideState {
  return state;
}
