import type { RpcClient } from '@sallyport/mqtt';
import { checkEnrolment, type EnrolmentDecision, type EnrolmentQuestion, Problem, refusals } from '@sallyport/protocol';

const deadlineMs = 5_000;
const retryAfterSeconds = 10;

/** Asks the device registry before anything is signed. No answer means no certificate. */
export class RegistryGate {
  /** @param ask rejects when there is no answer in time */
  constructor(private readonly ask: (question: EnrolmentQuestion) => Promise<EnrolmentDecision>) {}

  static over(rpc: RpcClient): RegistryGate {
    return new RegistryGate((question) => rpc.call(checkEnrolment, question, { deadlineMs }));
  }

  /**
   * @throws Problem `forbidden`: the registry refuses this name
   * @throws Problem `unavailable`: the registry did not answer in time
   */
  async require(question: EnrolmentQuestion): Promise<void> {
    const decision = await this.answerTo(question);
    if (decision.outcome === 'allowed') return;
    const { reason } = decision;
    const { meaning, remedy } = refusals[reason];
    throw new Problem('forbidden', `No certificate for "${question.deviceId}": ${meaning} ${remedy}`, {
      extensions: { reason },
    });
  }

  private async answerTo(question: EnrolmentQuestion): Promise<EnrolmentDecision> {
    try {
      return await this.ask(question);
    } catch (cause) {
      throw new Problem('unavailable', 'The device registry does not answer, so nothing is signed. Try again later.', {
        cause,
        retryAfterSeconds,
      });
    }
  }
}
