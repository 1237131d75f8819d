"""Several servers, one chat: each follows what the others store and tell.

The database is the only truth. What servers tell each other says where to look, and who is where;
if it is lost or late, a look into the database mends it.
"""
