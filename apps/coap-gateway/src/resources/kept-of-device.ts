import { Injectable, type OnModuleInit } from '@nestjs/common';
import { KeyedSerialQueue } from '@sallyport/concurrency';
import { subscribeEvent } from '@sallyport/mqtt';
import { deviceDeleted, type OcfUuid, ocfDeviceId, ocfUuidOf } from '@sallyport/protocol';
import { ConnectedContext, FaultLog } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { DeviceOwners, type OwnerChange } from '../sessions/device-owners.js';
import type { DeviceSession } from '../sessions/device-session.js';
import { Commands } from './commands/commands.js';
import { LinkDirectory } from './links/link-directory.js';
import { KeptValues } from './values/kept-values.js';
import { TwinSync } from './values/twin-sync.js';

/** Everything that the gateway keeps of the resources of a device. It goes with the device, and with its owner. */
@Injectable()
export class KeptOfDevice implements OnModuleInit {
  private readonly queues = new KeyedSerialQueue<OcfUuid>();
  private readonly faults: FaultLog;

  constructor(
    private readonly links: LinkDirectory,
    private readonly commands: Commands,
    private readonly values: KeptValues,
    private readonly sync: TwinSync,
    private readonly owners: DeviceOwners,
    private readonly store: Store,
    private readonly context: ConnectedContext,
  ) {
    this.faults = new FaultLog(context.log, context.clock, 'what is kept of a former owner could not be removed');
  }

  get parts() {
    const { links, commands, values, sync } = this;
    return { links, commands, values, sync };
  }

  async onModuleInit(): Promise<void> {
    await subscribeEvent(this.context.mqtt, deviceDeleted, async ({ deviceId }) => {
      const device = ocfUuidOf(deviceId);
      if (device === undefined) return;
      await this.forgetWork(device);
      await this.store.delete(ownerKey(device));
    });
    this.owners.onChange((change) => void this.follow(change).catch(this.faults.note));
  }

  /**
   * Called before a device that has signed in is asked or heard. What is kept of it from the time of another owner goes,
   * whether or not the change was announced here.
   *
   * @throws Problem as the store does
   */
  enter({ device, owner }: Pick<DeviceSession, 'device' | 'owner'>): Promise<void> {
    return this.queues.run(device, async () => {
      const former = await this.ownerOf(device);
      if (former === owner) return;
      if (former !== undefined) await this.forget(device);
      await this.store.put(ownerKey(device), owner);
    });
  }

  async forget(device: OcfUuid): Promise<void> {
    await this.forgetWork(device);
    await this.values.forget(ocfDeviceId(device));
  }

  private async follow(change: OwnerChange): Promise<void> {
    const device = change === 'resynchronise' ? undefined : ocfUuidOf(change.deviceId);
    if (device === undefined) return;
    await this.queues.run(device, async () => {
      const owner = await this.ownerOf(device);
      // An announcement may come late.
      if (owner === undefined || (await this.owners.isOwner({ deviceId: ocfDeviceId(device), owner }))) return;
      // The name of the former owner stays: a last value of that time may still be on its way.
      await this.forget(device);
    });
  }

  /** Whose device it was when it last signed in. */
  private async ownerOf(device: OcfUuid): Promise<string | undefined> {
    const entry = await this.store.get(ownerKey(device));
    return typeof entry?.value === 'string' ? entry.value : undefined;
  }

  /** All but the values: of deleted devices, `DeletedDevices` removes those. */
  private async forgetWork(device: OcfUuid): Promise<void> {
    await this.links.forget(device);
    await this.commands.forget(device);
    await this.sync.forget(device);
  }
}

function ownerKey(device: OcfUuid): string {
  return `kept-owner/${device}`;
}
