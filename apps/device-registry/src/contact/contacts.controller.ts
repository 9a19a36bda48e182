import { Body, Controller, Param } from '@nestjs/common';
import { Actor } from '@sallyport/entrance';
import { RpcHandler } from '@sallyport/mqtt';
import {
  type ActivationDecision,
  type ActivationRequest,
  type AuthenticationDecision,
  type AuthenticationRequest,
  activateDevice,
  authenticateDevice,
  deviceCredentialRoutes,
  deviceId,
  devicePasswordRequest,
  expectedCertificateRequest,
} from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { z } from 'zod';
import { LastContacts } from '../devices/last-contacts.js';
import { ExpectedCertificates } from './expected-certificates.js';
import { SecretAdmission } from './secret-admission.js';
import { SecretChanges } from './secret-changes.js';

const devicePath = z.object({ id: deviceId });

/** What connectors ask about devices with a secret, and what administrators do with secrets and certificates. */
@Controller()
export class ContactsController {
  constructor(
    private readonly admission: SecretAdmission,
    private readonly secrets: SecretChanges,
    private readonly expected: ExpectedCertificates,
    private readonly lastContacts: LastContacts,
  ) {}

  @RpcHandler(activateDevice)
  activate(request: ActivationRequest): Promise<ActivationDecision> {
    return this.admission.activate(request);
  }

  @RpcHandler(authenticateDevice)
  async authenticate(request: AuthenticationRequest): Promise<AuthenticationDecision> {
    const decision = await this.admission.authenticate(request);
    const { entrance, remoteAddress } = request;
    if (decision.outcome === 'admitted')
      this.lastContacts.note({ deviceId: decision.deviceId, entrance, remoteAddress });
    return decision;
  }

  @Serves(deviceCredentialRoutes.expectCertificate)
  async expectCertificate(@Param() path: unknown, @Body() body: unknown, @Actor() actor: string): Promise<void> {
    const { id } = devicePath.parse(path);
    const { fingerprint, reason } = expectedCertificateRequest.parse(body);
    await this.expected.expect(id, { fingerprint, reason, actor });
  }

  @Serves(deviceCredentialRoutes.setPassword)
  async setPassword(@Param() path: unknown, @Body() body: unknown, @Actor() actor: string): Promise<void> {
    const { id } = devicePath.parse(path);
    const { password } = devicePasswordRequest.parse(body);
    await this.secrets.setPassword(id, { password, actor });
  }

  @Serves(deviceCredentialRoutes.reactivateDevice)
  async reactivate(@Param() path: unknown, @Actor() actor: string): Promise<void> {
    const { id } = devicePath.parse(path);
    await this.secrets.takeBack(id, actor);
  }
}
