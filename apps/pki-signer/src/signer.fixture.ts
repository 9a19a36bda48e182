import { cp } from 'node:fs/promises';
import {
  type EnrolmentDecision,
  type EnrolmentQuestion,
  type EnrolmentTokenRequest,
  enrolmentTokenRequest,
  Problem,
} from '@sallyport/protocol';
import { openLog } from '@sallyport/runtime';
import { openSqliteStore, type Store, scopedStore } from '@sallyport/store';
import { TestClock, temporaryDirectory } from '@sallyport/testkit';
import { Registry } from 'prom-client';
import { testSettings } from './device.fixture.js';
import { RegistryGate } from './issuance/registry-gate.js';
import { openSigner, type Signer, type SignerOptions } from './signer.js';
import type { SignerSettings } from './signer-settings.js';

export { csrFor, day, enrolmentOf, id, newKey, testSettings } from './device.fixture.js';

/** Used instead of the device registry: it allows everything until told otherwise, and keeps what it was asked. */
export class TestRegistry {
  readonly questions: EnrolmentQuestion[] = [];
  answer: (question: EnrolmentQuestion) => Promise<EnrolmentDecision> = async () => ({ outcome: 'allowed' });

  readonly gate = new RegistryGate((question) => {
    this.questions.push(question);
    return this.answer(question);
  });
}

/** A signer on a store of its own, as it is after its first start. */
export interface TestSite extends AsyncDisposable {
  readonly signer: Signer;
  readonly store: Store;
  readonly clock: TestClock;
  readonly registry: TestRegistry;
  readonly settings: SignerSettings;
  readonly directory: string;
  /** Another signer on the same store and files: a replica, or the same one after a restart. */
  restart(): Promise<Signer>;
  /** A one-time token; the part a client sends as password. */
  token(request: { deviceId: string } & Partial<EnrolmentTokenRequestInput>): Promise<string>;
}

type EnrolmentTokenRequestInput = Omit<EnrolmentTokenRequest, 'deviceId'>;

export async function openTestSite(changes: Partial<SignerSettings> = {}): Promise<TestSite> {
  const directory = temporaryDirectory('sallyport-signer-');
  await cp(await foundedSite(), directory.path, { recursive: true });
  const whole = await openSqliteStore({ file: directory.file('store.db') });
  const [clock, registry, settings] = [new TestClock(), new TestRegistry(), testSettings(directory.path, changes)];
  const store = scopedStore(whole, 'pki-signer/');
  const start = () => openSigner(signerOptions({ store, clock, settings, registry }));
  const signer = await start();
  return {
    signer,
    store,
    clock,
    registry,
    settings,
    directory: directory.path,
    restart: start,
    token: async (request) => (await signer.tokens.create(enrolmentTokenRequest.parse(request), 'admin')).token,
    [Symbol.asyncDispose]: async () => {
      await whole.close();
      await directory.remove();
    },
  };
}

let founded: Promise<string> | undefined;

/** The files of a site after its first start. Made once and copied by every test, because making CA keys takes time. */
function foundedSite(): Promise<string> {
  founded ??= (async () => {
    const directory = temporaryDirectory('sallyport-founded-');
    const whole = await openSqliteStore({ file: directory.file('store.db') });
    const [clock, registry, settings] = [new TestClock(), new TestRegistry(), testSettings(directory.path)];
    await openSigner(signerOptions({ store: scopedStore(whole, 'pki-signer/'), clock, settings, registry }));
    await whole.close();
    return directory.path;
  })();
  return founded;
}

/** What a signer in a test is opened with. */
export function signerOptions(parts: Pick<SignerOptions, 'store' | 'clock' | 'settings'> & { registry: TestRegistry }) {
  const log = openLog({ level: 'silent' });
  return { ...parts, log, metricsRegistry: new Registry(), registry: parts.registry.gate };
}

/** The problem an attempt ends in; an attempt that succeeds, or fails otherwise, fails the test. */
export async function problemOf(attempt: Promise<unknown>): Promise<Problem> {
  const outcome = await attempt.catch((error: unknown) => error);
  if (outcome instanceof Problem) return outcome;
  throw new Error('expected a Problem', { cause: outcome });
}

/** How often other work could run while this was done. */
export async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let [turns, isDone] = [0, false];
  const count = () => {
    turns += 1;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  await work();
  isDone = true;
  return turns;
}
