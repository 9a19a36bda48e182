import type { CloudConnection } from '@sallyport/cloud';
import { pause } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import { Failure } from '../failure.js';
import { clientConnection } from '../mqtt/client-connection.js';
import type { Site } from '../site/site.js';
import { askCloud, NoAnswer, questionFor } from './cloud-question.js';
import { waitForBridge } from './cloud-services.js';
import type { CloudSteps } from './cloud-step.js';
import { cloudTitle } from './cloud-words.js';
import { proveProxy } from './proxy-proof.js';
import { tenantWarning } from './tenant-of-token.js';

// As thin-edge.io: five attempts, with 2 s at first and 30 s at last. A question is lost while the cloud is away.
const patienceMs = [2000, 4000, 8000, 15_000, 30_000];

const longestPrefixWaitMs = 8000;

/**
 * Checks a connection as a user of it would: the bridge is up, the cloud answers through the local broker, and for
 * Cumulocity the proxy reaches the REST API.
 *
 * @throws Failure: what does not work, and what to do
 */
export async function checkConnection(site: Site, connection: CloudConnection, steps: CloudSteps): Promise<void> {
  await steps.run(`Waiting for the bridge to ${cloudTitle(connection)}`, () => waitForBridge(site, connection.name));
  const answer = await steps.run('Verifying device is connected to cloud', () => answerOf(site, connection));
  if (connection.kind !== 'c8y') return;
  if (connection.authMethod === 'certificate') warnOfOtherTenant(site, { connection, steps, answer });
  await proveProxy(site, connection, steps);
}

function isForbidden(fault: unknown): fault is Problem {
  return fault instanceof Problem && fault.type === 'forbidden';
}

interface Answered {
  readonly connection: CloudConnection;
  readonly steps: CloudSteps;
  readonly answer: string | undefined;
}

/** Only a warning: a tenant may have several names. */
function warnOfOtherTenant({ context }: Site, { connection, steps, answer }: Answered): void {
  const warning = answer === undefined ? undefined : tenantWarning(answer, connection);
  if (warning !== undefined) context.log.warn(warning);
  steps.note('Checking Cumulocity is connected to intended tenant', warning === undefined ? 'done' : 'skipped');
}

/** Undefined for a cloud that answers nothing: then the state of the bridge has to do. */
async function answerOf({ context, settings }: Site, connection: CloudConnection): Promise<string | undefined> {
  const question = questionFor(connection);
  if (question === undefined) return undefined;
  const { signal } = context;
  for (const deadlineMs of patienceMs) {
    const broker = clientConnection(context, settings, 'connect');
    try {
      return await askCloud(broker, question, { deadlineMs, signal });
    } catch (fault) {
      signal.throwIfAborted();
      // The broker learns of a new topic prefix within seconds, and refuses it until then.
      if (isForbidden(fault) && deadlineMs < longestPrefixWaitMs) await pause(deadlineMs, { signal });
      else if (!(fault instanceof NoAnswer)) throw fault;
      context.log.debug(fault.message);
    }
  }
  throw new Failure(
    `${cloudTitle(connection)} does not answer on ${question.answers}, though the bridge is connected.`,
    `Check that the cloud knows the device ${connection.deviceId}, and the rules of the bridge: sallyport bridge inspect ${connection.name}`,
  );
}
