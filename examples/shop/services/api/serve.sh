. /shop/log.sh
log "listening on 8080"
exec httpd -f -p 8080 -h /shop
