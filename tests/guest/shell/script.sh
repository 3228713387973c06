# What a shell is used for; prints the same on every machine. PROGRAMS: other programs of the guest.
set -u
echo "== pipes"; seq 1 3000 | sort -rn | head -n 3 | tr '\n' ' '; echo
yes | head -n 100000 | wc -l; seq 1 500 | xargs -n 7 echo | awk '{s += NF} END {print NR, s}'
find / -xdev -name 'busybox' -type f | wc -l; ls /bin | wc -l | grep -c .
echo "== shell"; f() { local x=$1; [ "$x" -le 1 ] && { echo 1; return; }; echo $((x * $(f $((x - 1))))); }; f 10
i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); done; echo $i; x=abcabc; echo "${x#*b}" "${x%b*}" "${#x}"
cat <<EOF | sed 's/a/X/g' | od -An -tx1 | tr -d ' \n'
a here document $((6 * 7))
EOF
echo; (cd /tmp && pwd); case hello in h*o) echo matched ;; esac
echo "== files"; cd /tmp; mkdir -p t/a/b; for k in 1 2 3; do seq 1 $((k * 1000)) >t/a/b/$k; done
tar cf - t | gzip | gunzip | tar tf - | sort; cat t/a/b/* | sha256sum; cp -r t u; diff -r t u && echo same
yes zeroes | dd bs=4096 count=256 iflag=fullblock 2>/dev/null | sha512sum | cut -c1-16; rm -rf t u; ls | wc -l
echo "== jobs and signals"; trap 'echo caught USR1' USR1; kill -USR1 $$; trap 'echo bye' EXIT
(sleep 0.2; exit 7) & wait $!; echo "status $?"; sleep 20 & p=$!; kill $p; wait $p 2>/dev/null; echo "status $?"
sh -c 'kill -SEGV $$' 2>/dev/null; echo "status $?"; timeout 1 sleep 20; echo "status $?"
for k in 1 2 3 4 5 6 7 8; do (seq 1 $((k * 500)) | md5sum >/tmp/$k) & done; wait; cat /tmp/[1-8] | md5sum; rm /tmp/[1-8]
mkfifo p; (cat p | wc -c) & seq 1 1000 >p; wait; rm p
echo "== threads"; for k in $PROGRAMS; do "$k" && echo "$k: 0"; done
echo "== arithmetic"; echo '2^100; 355/113; scale=20; sqrt(2)' | bc | head -n 3; awk 'BEGIN {printf "%.6f %d\n", 22 / 7, 65536 * 32767}'
printf '%x %o %5.2f\n' 255 8 2.5; expr 17 % 5; date -u -d @1000000000 '+%F %T'
