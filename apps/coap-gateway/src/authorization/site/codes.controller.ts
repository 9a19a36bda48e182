import { Body, Controller, Param } from '@nestjs/common';
import { AuditLog } from '@sallyport/audit';
import { siteProviderName } from '@sallyport/config';
import { Actor } from '@sallyport/entrance';
import {
  type AuthorizationCode,
  authorizationCodeRequest,
  coapCodeRoutes,
  deviceId,
  ocfUuidOf,
  Problem,
} from '@sallyport/protocol';
import { Serves, ServiceContext } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { z } from 'zod';
import { SiteCodes } from './site-codes.js';

const devicePath = z.object({ id: deviceId });

/** Makes codes, with which devices sign up at the provider of this site. */
@Controller()
export class CodesController {
  private readonly codes: SiteCodes;

  constructor(
    store: Store,
    private readonly context: ServiceContext,
    private readonly audit: AuditLog,
  ) {
    this.codes = new SiteCodes(store);
  }

  @Serves(coapCodeRoutes.createCode)
  async create(@Param() path: unknown, @Body() body: unknown, @Actor() actor: string): Promise<AuthorizationCode> {
    const { id } = devicePath.parse(path);
    const device = ocfUuidOf(id);
    if (device === undefined)
      throw new Problem('invalid-request', `"${id}" is no OCF device: its id is "uuid:" and a UUID.`);
    const { owner } = authorizationCodeRequest.parse(body);
    const { settings, clock } = this.context;
    const validitySeconds = settings.require('coap.authorization.code_validity');
    const expiresAt = new Date(clock.now().getTime() + validitySeconds * 1000).toISOString();
    const { code, operations } = this.codes.make({ device, owner, expiresAt }, validitySeconds);
    const row = { actor, action: 'authorization-code-created', subject: id, details: { owner, expiresAt } };
    await this.audit.commit({ operations, entries: [{ ...row, outcome: 'succeeded' }] });
    return { deviceId: id, owner, code, provider: siteProviderName, expiresAt };
  }
}
