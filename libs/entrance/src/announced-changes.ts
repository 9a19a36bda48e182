import type { DeviceId } from '@sallyport/protocol';

/** An answer of the registry, and what it announced while the answer was on its way. */
export interface OvertakenAnswer<Answer> {
  readonly answer: Answer;
  /** Whether this device has been changed meanwhile: the answer may be from before the change. */
  readonly hasChanged: (deviceId: DeviceId) => boolean;
}

/**
 * The changes of devices that the registry announces while questions about devices are on their way. An answer counts
 * only for a device that has not been changed meanwhile. Changes of others do not matter: on a busy site there is always
 * one.
 */
export class AnnouncedChanges {
  private readonly asking = new Set<Set<DeviceId | 'any'>>();

  /** @param changed undefined: any device may be another one now */
  note(changed: DeviceId | undefined): void {
    for (const meanwhile of this.asking) meanwhile.add(changed ?? 'any');
  }

  async during<Answer>(ask: () => Promise<Answer>): Promise<OvertakenAnswer<Answer>> {
    const meanwhile = new Set<DeviceId | 'any'>();
    this.asking.add(meanwhile);
    try {
      const answer = await ask();
      return { answer, hasChanged: (deviceId) => meanwhile.has('any') || meanwhile.has(deviceId) };
    } finally {
      this.asking.delete(meanwhile);
    }
  }
}
