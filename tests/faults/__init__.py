"""What breaks under the service: processes that are killed, files left over, no room, no rights."""
