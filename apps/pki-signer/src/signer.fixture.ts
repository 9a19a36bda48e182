import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type DeviceId, deviceId, type EnrollmentRequest, enrollmentRequest, Problem } from '@sallyport/protocol';
import { Clock, openLog } from '@sallyport/runtime';
import { openSqliteStore, type Store, scopedStore } from '@sallyport/store';
import { temporaryDirectory } from '@sallyport/testkit';
import { buildCertificateRequest, type SubjectAltName } from '@sallyport/x509';
import { Registry } from 'prom-client';
import { type EnrolmentQuestion, type EnrolmentVerdict, RegistryGate } from './issuance/registry-gate.js';
import { openSigner, type Signer } from './signer.js';
import type { SignerSettings } from './signer-settings.js';

/** A clock that stands still until it is moved. */
export class TestClock extends Clock {
  private nowMs = Date.now();

  override now(): Date {
    return new Date(this.nowMs);
  }

  advance(seconds: number): void {
    this.nowMs += seconds * 1000;
  }
}

/** Stands in for the device registry: allows everything until told otherwise, and keeps what it was asked. */
export class TestRegistry {
  readonly questions: EnrolmentQuestion[] = [];
  answer: (question: EnrolmentQuestion) => Promise<EnrolmentVerdict> = async () => ({ outcome: 'allowed' });

  readonly gate = new RegistryGate((question) => {
    this.questions.push(question);
    return this.answer(question);
  });
}

export const day = 86_400;

/** Settings as they come out of the box, with files below a directory. */
export function testSettings(directory: string, changes: Partial<SignerSettings> = {}): SignerSettings {
  return {
    organization: 'Test Site',
    trustDomain: 'sallyport.local',
    publicUrl: 'http://localhost:8442',
    tokenValiditySeconds: day,
    deviceValiditySeconds: 90 * day,
    serviceValiditySeconds: 30 * day,
    rootValiditySeconds: 20 * 365 * day,
    issuingValiditySeconds: 5 * 365 * day,
    crlValiditySeconds: 7 * day,
    crlIntervalSeconds: day / 4,
    hostnames: [],
    files: {
      keyDirectory: `${directory}/data/keys`,
      passphraseFile: `${directory}/config/key-passphrase`,
      pepperFile: `${directory}/config/token-pepper`,
      serverIdentityFile: `${directory}/config/server-identity.pem`,
    },
    ...changes,
  };
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
  token(request: { deviceId: string } & Partial<EnrollmentRequestInput>): Promise<string>;
}

type EnrollmentRequestInput = Omit<EnrollmentRequest, 'deviceId'>;

export async function openTestSite(changes: Partial<SignerSettings> = {}): Promise<TestSite> {
  const directory = temporaryDirectory('sallyport-signer-');
  const whole = await openSqliteStore({ file: directory.file('store.db') });
  const [clock, registry, settings] = [new TestClock(), new TestRegistry(), testSettings(directory.path, changes)];
  const store = scopedStore(whole, 'pki-signer/');
  const start = () =>
    openSigner({
      store,
      clock,
      registry: registry.gate,
      settings,
      log: openLog({ level: 'silent' }),
      metricsRegistry: new Registry(),
    });
  const signer = await start();
  return {
    signer,
    store,
    clock,
    registry,
    settings,
    directory: directory.path,
    restart: start,
    token: async (request) => (await signer.tokens.create(enrollmentRequest.parse(request), 'admin')).token,
    [Symbol.asyncDispose]: async () => {
      await whole.close();
      await directory.remove();
    },
  };
}

/** A new P-256 key. */
export function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** A CSR as a device makes it. */
export function csrFor(commonName: string, privateKey = newKey(), subjectAltNames: SubjectAltName[] = []): Buffer {
  return buildCertificateRequest({ privateKey, commonName, subjectAltNames });
}

/** What a client on loopback sends to be enrolled. */
export function enrolmentOf(name: string, password: string, csr = csrFor(name)) {
  return { name, password, csr, channelBindings: [], remoteAddress: '127.0.0.1' };
}

export function id(name: string): DeviceId {
  return deviceId.parse(name);
}

/** The problem an attempt ends in; an attempt that succeeds, or fails otherwise, fails the test. */
export async function problemOf(attempt: Promise<unknown>): Promise<Problem> {
  const outcome = await attempt.catch((error: unknown) => error);
  if (outcome instanceof Problem) return outcome;
  throw new Error('expected a Problem', { cause: outcome });
}
