import { deviceDescription } from '@sallyport/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from './device.js';
import { Relay, Subscriber } from './mosquitto.js';
import { type CommandResult, System, succeeded } from './system.js';

describe('the MQTT broker, as Mosquitto clients see it', () => {
  let system: System;
  let child: Device;

  beforeAll(async () => {
    system = await System.start();
    child = await system.enrol('child01');
    await system.enrol('child02');
  });

  afterAll(() => system.stop());

  const at = (port: number) => ['-h', 'localhost', '-p', String(port)];
  const publish = (args: readonly string[], topic: string, message: string): Promise<CommandResult> =>
    system.run('mosquitto_pub', [...args, '-q', '1', '-t', topic, '-m', message]);
  // An admitted client waits for a message. Three seconds are enough for the broker to refuse a client.
  const subscribe = (args: readonly string[], filter: string): Promise<CommandResult> =>
    system.run('mosquitto_sub', [...args, '-W', '3', '-t', filter]);

  describe.each(['plain', 'mutual'])('at level %s', (level) => {
    let client: string[];

    beforeAll(async () => {
      succeeded(await system.sallyport('secure', level));
      client = [...at(system.ports.mqtt), ...(level === 'mutual' ? child.mosquitto : [])];
    });

    it('hands messages on', async () => {
      await using subscriber = await Subscriber.open([...client, '-v', '-q', '1', '-t', 'te/device/+/m/temp']);
      succeeded(await publish(client, 'te/device/child01/m/temp', '21.5'));
      await subscriber.said(/21\.5/);
      expect(subscriber.messages).toEqual(['te/device/child01/m/temp 21.5']);
    });

    it.each(['sallyport/v1/#', 'sallyport/v1/event/+', '$SYS/#'])('lets nobody subscribe to %s', async (filter) => {
      const { stdout, stderr } = await subscribe(client, filter);
      expect({ stdout, stderr }).toEqual({ stdout: '', stderr: 'All subscription requests were denied.\n' });
    });

    it('lets nobody publish as a service', async () => {
      const { code, stderr } = await publish(client, 'sallyport/v1/event/device-changed', '{}');
      expect([code, stderr]).toEqual([7, 'Error: The connection was lost.\n']);
    });

    it('shows nothing of what the services say to each other to those who subscribe to everything', async () => {
      await using subscriber = await Subscriber.open([...client, '-v', '-t', '#', '-t', '+/v1/#', '-t', '+/+/+/+']);
      succeeded(await system.sallyport('device', 'lock', 'child02'));
      succeeded(await system.sallyport('device', 'unlock', 'child02'));
      succeeded(await publish(client, 'te/device/child01/end', 'of story'));
      await subscriber.said(/of story/);
      // What the entities of the gateway and of its services say, and the events of devices, are for everybody who may
      // read them.
      const others = subscriber.messages.filter(
        (message) => !/^(?:te\/device\/main|sallyport\/events)\//.test(message),
      );
      expect(new Set(others)).toEqual(new Set(['te/device/child01/end of story']));
    });
  });

  describe('once it asks for certificates', () => {
    it('lets nobody in without a certificate', async () => {
      const { code } = await publish([...at(system.ports.mqtt), '--cafile', child.caPath], 'te/x', 'x');
      expect(code).not.toBe(0);
    });

    it('lets nobody in without TLS', async () => {
      const { code } = await publish(at(system.ports.mqtt), 'te/x', 'x');
      expect(code).not.toBe(0);
    });

    it('ends the session of a device that is revoked within a second, and refuses its next', async () => {
      await using relay = await Relay.open(system.ports.mqtt);
      await using _subscriber = await Subscriber.open([...at(relay.port), ...child.mosquitto, '-t', 'te/#']);
      const revokedAt = performance.now();
      await system.admin('device-registry').post('/v1/devices/child01/revoke', {}, deviceDescription);
      expect((await relay.ended) - revokedAt).toBeLessThan(1_000);
      const { code } = await publish([...at(system.ports.mqtt), ...child.mosquitto], 'te/x', 'x');
      expect(code).not.toBe(0);
      expect(succeeded(await system.sallyport('device', 'show', 'child01'))).toMatch(/ mqtt from .*: device-revoked\./);
    });
  });

  describe('a session that a client without an identity has left behind', () => {
    const heard = 'te/device/child03/m/heard';
    let device: Device;

    beforeAll(async () => {
      device = await system.enrol('child03');
    });

    /** Leaves a kept session, with one message that waits in it. */
    const leave = async (id: string): Promise<void> => {
      succeeded(await system.sallyport('secure', 'plain'));
      const kept = [...at(system.ports.mqtt), '-c', '-i', id, '-q', '1', '-t', 'te/device/child03/#'];
      succeeded(await system.run('mosquitto_sub', [...kept, '-E']));
      succeeded(await publish(at(system.ports.mqtt), heard, 'before'));
    };
    const cameTo = async (id: string): Promise<string> => {
      const client = [...at(system.ports.mqtt), '-c', '-i', id, '-q', '1', '-t', 'te/device/child03/#'];
      return (await system.run('mosquitto_sub', [...client, '-W', '3'])).stdout;
    };
    const sayAtMutual = async (): Promise<void> => {
      succeeded(await system.sallyport('secure', 'mutual'));
      succeeded(await publish([...at(system.ports.mqtt), ...device.mosquitto], heard, 'meanwhile'));
    };

    it('hears nothing of what devices say at level mutual', async () => {
      await leave('eavesdropper');
      await sayAtMutual();
      succeeded(await system.sallyport('secure', 'plain'));
      expect(await cameTo('eavesdropper')).toBe('before\n');
    });

    it('is gone after a start at level mutual', async () => {
      await leave('forgotten');
      await sayAtMutual();
      await system.interrupt();
      await system.resume();
      succeeded(await system.sallyport('secure', 'plain'));
      expect(await cameTo('forgotten')).toBe('');
    });
  });
});
