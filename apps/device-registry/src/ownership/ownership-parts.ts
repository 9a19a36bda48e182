import { IdentityRevocations } from './identity-revocations.js';
import { OwnerAdministration } from './owner-administration.js';
import { OwnerChanges } from './owner-changes.js';
import { OwnershipController } from './ownership.controller.js';
import { Ownership } from './ownership.js';

/** The wiring of owners, for the module of the registry. */
export const ownershipParts = {
  controllers: [OwnershipController],
  providers: [IdentityRevocations, OwnerAdministration, OwnerChanges, Ownership],
};
