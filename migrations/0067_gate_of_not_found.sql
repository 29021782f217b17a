-- A binary that does not know `not_found` sends without setting it back, and one look-up would then do for the next send.
UPDATE gate SET min_code = 12;
