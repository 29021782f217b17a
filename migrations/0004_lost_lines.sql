-- What of the lost window was sent in each shipment, where the far side's file or a person says it: a list of
-- {"n", "code", "quantity"}. Null: not known, so that it can only be the whole of its order.
ALTER TABLE lost_sends ADD COLUMN lines jsonb;
-- Since the shipment was taken over, its warehouse's answers are read again: those that came before it was known
-- are in quarantine.
ALTER TABLE lost_sends ADD COLUMN heard bool NOT NULL DEFAULT false;
