import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundleProgram, temporaryDirectory } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attacks } from './mqtt-hostile/attacks.js';
import { HonestClient } from './mqtt-hostile/honest-client.js';
import { System } from './system.js';

/** `npm run prove -- mqtt-hostile` attacks for longer, and then waiting times count too. */
const seconds = Number(process.env['SALLYPORT_ATTACK_SECONDS'] ?? 2);
const isProof = process.env['SALLYPORT_ATTACK_SECONDS'] !== undefined;
const mostSlowerMs = 50;
/** The broker gives each client a share of its buffers, 128 MiB in all. The rest is room for connections and garbage. */
const mostMegabytes = 300;
/** Addresses of the clients: a listener gives each one a share. */
const [evil, honest] = ['127.0.0.66', '127.0.0.9'];

function quantile(waits: readonly number[], share: number): number {
  const sorted = waits.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function summaryOf(waits: readonly number[]): string {
  return [0.5, 0.99, 1].map((share) => quantile(waits, share).toFixed(0)).join(' / ');
}

describe('hostile MQTT clients', () => {
  const directory = temporaryDirectory('sp-');
  let system: System;
  let attacker: string;

  beforeAll(async () => {
    attacker = await bundleProgram(join(import.meta.dirname, 'mqtt-hostile/attacker.fixture.ts'), directory.path);
    system = await System.start();
  });
  afterAll(async () => {
    await system.stop();
    await directory.remove();
  });

  it.each(Object.keys(attacks))('cannot keep others from being served: %s', async (name) => {
    await using client = await HonestClient.open({ port: system.ports.mqtt, localAddress: honest });
    const before = await client.work(1_000);
    const memory = system.residentMegabytes;
    const args = [attacker, name, String(system.ports.mqtt), evil];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    const gone = once(child, 'exit');
    try {
      await sleep(500);
      const during = await client.work(seconds * 1_000);
      const growth = system.residentMegabytes - memory;
      console.log(`${name}: ${summaryOf(during)} ms (${summaryOf(before)} before), ${growth.toFixed(0)} MB`);
      expect(child.exitCode).toBeNull();
      expect(during.length).toBeGreaterThan(0);
      expect(growth).toBeLessThan(mostMegabytes);
      if (isProof) expect(quantile(during, 0.99) - quantile(before, 0.99)).toBeLessThan(mostSlowerMs);
    } finally {
      child.kill('SIGKILL');
      await gone;
    }
  });
});
