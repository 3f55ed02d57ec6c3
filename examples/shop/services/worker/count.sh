. /shop/log.sh
while true; do
    log "$(cat /shop/catalogue/*.csv | wc -l) articles in the catalogue"
    sleep 60
done
