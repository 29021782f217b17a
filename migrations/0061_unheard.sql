-- Shipments that an account was told of and has never named: its stream of shipments asks for them by reference.
CREATE INDEX shipments_instructed ON shipments (account_id, id) WHERE state = 'instructed';
