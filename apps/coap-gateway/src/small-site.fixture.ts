import { Controller, Module } from '@nestjs/common';
import { RpcHandler } from '@sallyport/mqtt';
import {
  type AdmissionDecision,
  type AdmissionRequest,
  admitPeer,
  claimDevice,
  type DeviceId,
  issueServerCertificate,
  isTokenAdmission,
  listOwnedDevices,
  type RefusalReport,
  readOwner,
  readTrustBundle,
  recordRefusal,
  releaseDevice,
  reportContacts,
  type ServerCertificateRequest,
} from '@sallyport/protocol';

interface Owned {
  readonly deviceId: DeviceId;
  readonly owner: string;
}

/** Registry and signer in miniature: a real RPC service that answers what the test wants. */
@Controller()
export class SmallSite {
  /** Empty while the signer is down. */
  bundle: string[] = [];
  /** Signs the request of a service; undefined while the signer is down. */
  issue: ((service: string, request: Buffer) => Promise<string>) | undefined;
  /** Owner by the name of the device, in lower case. */
  readonly owners = new Map<string, string>();
  readonly asked: AdmissionRequest[] = [];
  readonly refusals: RefusalReport[] = [];
  ownerQuestions = 0;
  /** Runs between the answer about an owner and its departure. */
  beforeOwnerAnswer: () => Promise<void> = async () => undefined;
  /** Runs between the release of a device and the answer about it. */
  beforeReleaseAnswer: () => Promise<void> = async () => undefined;
  /** Names of devices that the registry refuses. */
  readonly refused = new Set<string>();
  /** Whether owners bring more new devices than the registry takes at the moment. */
  hasTooManyNewDevices = false;
  /** While it is set, the registry answers nothing about owners. */
  isDown = false;
  refusedQuestions = 0;

  @RpcHandler(readTrustBundle)
  readBundle() {
    if (this.bundle.length === 0) throw new Error('the signer of the test is down');
    return { version: 1, certificates: this.bundle.map((pem) => ({ role: 'root' as const, pem })) };
  }

  @RpcHandler(issueServerCertificate)
  async issueCertificate({ service, request }: ServerCertificateRequest) {
    if (this.issue === undefined) throw new Error('the signer of the test is down');
    return { chain: [await this.issue(service, Buffer.from(request, 'base64'))] };
  }

  @RpcHandler(admitPeer)
  admit(asked: AdmissionRequest): AdmissionDecision {
    this.asked.push(asked);
    const { deviceId } = asked;
    if (this.refused.has(deviceId.toLowerCase())) return { outcome: 'refused', reason: 'device-locked' };
    return { outcome: 'admitted', deviceId, kind: isTokenAdmission(asked) ? 'device' : asked.kind };
  }

  @RpcHandler(claimDevice)
  claim({ deviceId, owner }: Owned) {
    this.requireUp();
    const former = this.owners.get(deviceId.toLowerCase());
    if (former !== undefined && former !== owner) return { outcome: 'owned-by-another' as const };
    if (this.hasTooManyNewDevices) return { outcome: 'too-many-new-devices' as const };
    this.owners.set(deviceId.toLowerCase(), owner);
    return { outcome: 'owned' as const };
  }

  @RpcHandler(readOwner)
  async readOwner({ deviceId }: Pick<Owned, 'deviceId'>) {
    this.requireUp();
    this.ownerQuestions += 1;
    const owner = this.owners.get(deviceId.toLowerCase());
    await this.beforeOwnerAnswer();
    return owner === undefined ? {} : { owner };
  }

  @RpcHandler(listOwnedDevices)
  list({ owner }: Pick<Owned, 'owner'>) {
    return { devices: [...this.owners].filter(([, each]) => each === owner).map(([name]) => name) };
  }

  @RpcHandler(releaseDevice)
  async release({ deviceId, owner }: Owned) {
    this.requireUp();
    if (this.owners.get(deviceId.toLowerCase()) !== owner) return { outcome: 'not-owned' as const };
    this.owners.delete(deviceId.toLowerCase());
    await this.beforeReleaseAnswer();
    return { outcome: 'released' as const };
  }

  @RpcHandler(recordRefusal)
  record(report: RefusalReport) {
    this.refusals.push(report);
    return {};
  }

  @RpcHandler(reportContacts)
  take() {
    return {};
  }

  private requireUp(): void {
    if (!this.isDown) return;
    this.refusedQuestions += 1;
    throw new Error('the registry of the test is down');
  }
}

@Module({ controllers: [SmallSite] })
export class SmallSiteModule {}
