import { Body, Controller, Param, Query } from '@nestjs/common';
import { Actor } from '@sallyport/entrance';
import {
  canonicalDeviceId,
  deviceId,
  type EnrolmentTokenList,
  type EnrolmentTokenResponse,
  enrolmentTokenQuery,
  enrolmentTokenRequest,
  signerRoutes,
} from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { OneTimeTokens } from './one-time-tokens.js';

/** One-time tokens. */
@Controller()
export class EnrolmentController {
  constructor(private readonly tokens: OneTimeTokens) {}

  @Serves(signerRoutes.createEnrolmentToken)
  create(@Body() body: unknown, @Actor() actor: string): Promise<EnrolmentTokenResponse> {
    return this.tokens.create(enrolmentTokenRequest.parse(body), actor);
  }

  @Serves(signerRoutes.listEnrolmentTokens)
  list(@Query() query: unknown): Promise<EnrolmentTokenList> {
    return this.tokens.list(enrolmentTokenQuery.parse(query));
  }

  @Serves(signerRoutes.withdrawEnrolmentToken)
  withdraw(@Param('deviceId') name: string, @Actor() actor: string): Promise<void> {
    return this.tokens.withdraw(canonicalDeviceId(deviceId.parse(name)), actor);
  }
}
