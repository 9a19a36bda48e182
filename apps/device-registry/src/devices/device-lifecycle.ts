import { Injectable } from '@nestjs/common';
import { type DeviceAction, type DeviceEventType, type DeviceId, type DeviceState, Problem } from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { type ChangeConditions, requireVersion } from './change-conditions.js';
import { credentialsOf, type DeviceRecord, withRevoked, withState } from './device-record.js';
import { type DeviceChangeSet, Devices, type StoredDevice } from './devices.js';

interface Transition {
  readonly to: DeviceState;
  readonly from: readonly DeviceState[];
  readonly done: string;
  readonly event: DeviceEventType;
}

/** For each action the new state, and the states in which it is allowed. */
const transitions = {
  approve: { to: 'active', from: ['pending-approval'], done: 'device-approved', event: 'approved' },
  lock: { to: 'locked', from: ['active'], done: 'device-locked', event: 'locked' },
  unlock: { to: 'active', from: ['locked'], done: 'device-unlocked', event: 'unlocked' },
  revoke: { to: 'revoked', from: ['active', 'pending-approval', 'locked'], done: 'device-revoked', event: 'revoked' },
  retire: {
    to: 'retired',
    from: ['active', 'pending-approval', 'locked', 'revoked'],
    done: 'device-retired',
    event: 'retired',
  },
} as const satisfies Record<DeviceAction, Transition>;

/** The line in the log of the service for a change of state; undefined for anything else that is audited. */
export function sentenceOf({ action }: { readonly action: string }): string | undefined {
  const isTold = action === 'device-deleted' || Object.values(transitions).some(({ done }) => done === action);
  return isTold ? action.replace('-', ' ') : undefined;
}

/** The states of a device and the changes between them. */
@Injectable()
export class DeviceLifecycle {
  constructor(
    private readonly devices: Devices,
    private readonly clock: Clock,
  ) {}

  /**
   * Puts a device into the state of an action. If the device has this state already, nothing is written. To revoke or
   * retire a device revokes every certificate of it that the registry knows.
   *
   * @throws Problem `not-found`: there is no such device
   * @throws Problem `precondition-failed`: the order is about another version of the device
   * @throws Problem `conflict`: not allowed in the present state; the text says what is
   */
  async apply(action: DeviceAction, name: DeviceId, order: ChangeConditions): Promise<DeviceRecord> {
    // The spelling of the record, whatever the caller wrote.
    const { record: named } = await this.devices.require(name);
    return this.devices.change(named.deviceId, async (before) => {
      const { record } = before ?? (await this.devices.require(name));
      const { to, from } = transitions[action];
      if (before !== undefined) requireVersion(before, order.ifMatch);
      if (record.state === to || before === undefined) return { result: record };
      if (!from.some((state) => state === record.state)) throw noWay(action, record);
      const change = this.transition(action, before, order);
      return { result: change.after, change };
    });
  }

  private transition(action: DeviceAction, before: StoredDevice, { actor, reason }: ChangeConditions) {
    const { to, done, event: type } = transitions[action];
    const at = this.clock.now().toISOString();
    const moved = withState(before.record, { state: to, at, actor, ...(reason === undefined ? {} : { reason }) });
    const isFinal = to === 'revoked' || to === 'retired';
    const after = isFinal ? withRevoked(moved, { revokedAt: at, reason: `device ${to}` }) : moved;
    const { deviceId, state } = before.record;
    const given = reason === undefined ? {} : { reason };
    const details = { from: state, to, ...given };
    return {
      before,
      after,
      denied: isFinal ? after.certificates : [],
      announced: credentialsOf(after),
      events: [{ type, device: deviceId, actor, ...(reason === undefined ? {} : { payload: given }) }],
      audit: [{ actor, action: done, subject: deviceId, outcome: 'succeeded' as const, details }],
    } satisfies DeviceChangeSet;
  }
}

function noWay(action: DeviceAction, { deviceId: name, state }: DeviceRecord): Problem {
  if (state === 'retired')
    return new Problem(
      'conflict',
      `Device "${name}" is retired, and a retired name never comes back. Use another name.`,
    );
  if (action === 'approve')
    return new Problem(
      'conflict',
      `Device "${name}" is ${state}. Only a device that waits for approval can be approved.`,
    );
  if (state === 'pending-approval')
    return new Problem('conflict', `Device "${name}" waits for approval: sallyport device approve ${name}`);
  if (action === 'unlock')
    return new Problem(
      'conflict',
      `Device "${name}" is revoked, not locked. To bring it back, give it a new certificate: sallyport device enroll-token --reinstate ${name}`,
    );
  return new Problem('conflict', `Device "${name}" is ${state}, which is stricter than what "${action}" would do.`);
}
