export { Journal, type JournalOptions, type OwnedEntry } from './journal.js';
export { type JournalChange, type JournalEntry, journalChange, journalEntry, keyOf } from './journal-entry.js';
